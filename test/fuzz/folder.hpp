// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FUZZ_FOLDER_HPP
#define BROOD_TEST_FUZZ_FOLDER_HPP

#include "fuzz/targets.hpp"

#include <filesystem>
#include <fstream>

#include <stdlib.h>

namespace test::fuzz {

/// A temporary folder. The destructor deletes it with its content.
class folder {
public:
    folder()
    {
        std::string name = std::filesystem::temp_directory_path() / "brood-fuzz-XXXXXX";
        expect(::mkdtemp(name.data()) != nullptr, "no temporary folder");
        path_ = std::filesystem::canonical(name);
    }

    ~folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    folder(folder const&) = delete;
    folder& operator=(folder const&) = delete;

    std::string path() const { return path_; }
    std::string path(std::string_view name) const { return path_ / name; }

    std::string write(std::string_view name, std::string_view content) const
    {
        std::ofstream(path(name)) << content;
        return path(name);
    }

private:
    std::filesystem::path path_;
};

} // namespace test::fuzz

#endif
