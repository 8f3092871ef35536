// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_EXPORT_HPP
#define BROOD_DETAIL_EXPORT_HPP

/// Marks what a shared build of the library exports; everything else is hidden.
#define BROOD_API __attribute__((visibility("default")))

#endif
