# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Pretty printers of gdb for brood::command, brood::exit_status and brood::basic_child.

gdb loads this file with the library. The printers read strings and containers through those of the C++ standard
library, and the state of a child through the debug information of brood.
"""
import shlex
import signal

import gdb
import gdb.printing


def text_of(value):
    """A std::string as a str."""
    text = gdb.default_visualizer(value).to_string()
    if hasattr(text, "value"):  # a lazy string
        pointer = text.value()
        length = text.length if text.length >= 0 else -1
        text = pointer.string("utf-8", "backslashreplace", length) if length else ""
    return str(text)


def elements_of(value):
    """The elements of a container, keys and values of a map in turn, or of an optional."""
    return [element for _, element in gdb.default_visualizer(value).children()]


def optional_text(value):
    return next((text_of(each) for each in elements_of(value)), None)


class CommandPrinter:
    """As a shell user would type it."""

    def __init__(self, value):
        self.data = value["data_"]

    def to_string(self):
        words = []
        for option, field in (("chroot", "root"), ("cd", "directory")):
            path = optional_text(self.data[field])
            if path is not None:
                words += [option, shlex.quote(path)] + (["&&"] if option == "cd" else [])
        words += self.environment()
        name = optional_text(self.data["arg0"])
        if name is not None:
            words += ["exec", "-a", shlex.quote(name)]
        words.append(shlex.quote(text_of(self.data["program"])))
        words += [shlex.quote(text_of(each)) for each in elements_of(self.data["arguments"])]
        return " ".join(words)

    def environment(self):
        environment = self.data["env"]
        entries = elements_of(environment["changes_"])
        changes = [(text_of(key), optional_text(value)) for key, value in zip(entries[::2], entries[1::2])]
        options = []
        if environment["cleared_"]:
            options.append("-i")
        else:
            options += [f"-u {shlex.quote(key)}" for key, value in changes if value is None]
        kept = [text_of(each) for each in elements_of(environment["kept_"])]
        words = [f'{key}="${key}"' for key in kept]
        words += [f"{shlex.quote(key)}={shlex.quote(value)}" for key, value in changes if value is not None]
        return (["env"] + options if options else []) + words


def signal_text(number):
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def status_text(raw):
    """The text of brood::to_string."""
    low, high = raw & 0x7F, raw >> 8 & 0xFF
    if low == 0:
        return f"exit status: {high}"
    if low != 0x7F:
        return f"signal: {signal_text(low)}" + (" (core dumped)" if raw & 0x80 else "")
    if raw == 0xFFFF:
        return "continued (WIFCONTINUED)"
    if raw & 0xFF == 0x7F:
        return f"stopped (not terminated) by signal: {signal_text(high)}"
    return f"unrecognised wait status: {raw} 0x{raw & 0xFFFFFFFF:x}"


class ExitStatusPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return status_text(int(self.value["raw_"]))


def target_of(pointer):
    """What a std::shared_ptr refers to, as its dynamic type, or None."""
    fields = [field.name for field in pointer.type.strip_typedefs().fields()]
    address = pointer["__ptr_" if "__ptr_" in fields else "_M_ptr"]
    if int(address) == 0:
        return None
    address = address.cast(address.type.target().strip_typedefs().pointer())  # else gdb does not look at the object
    return address.cast(address.dynamic_type).dereference()


class ChildPrinter:
    """The pid and what is known of the end. It may have ended without that it has been noticed."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        state = target_of(self.value["owner_"]["child_"])
        if state is None:
            return "no child"
        if not any(field.name == "containment_" for field in state.type.fields()):
            return "a child; its state needs the debug information of brood"
        containment = state["containment_"]  # a std::unique_ptr, which consists of the pointer
        pointer = containment.type.template_argument(0).pointer()
        pointer = containment.address.cast(pointer.pointer()).dereference()
        guard = target_of(pointer["guard"]) if pointer != 0 else None
        pid = int(guard["pid_"] if guard is not None else state["id_"]["pid"])
        if not state["ended_"]:
            return f"pid {pid}, not reaped"
        if state["error_"]["lc_flags_"] != 0:
            return f"pid {pid}, ended, status lost"
        return f"pid {pid}, {status_text(int(state['status_']['raw_']))}"


def build_printers():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("brood")
    printers.add_printer("command", r"^brood::command$", CommandPrinter)
    printers.add_printer("exit_status", r"^brood::exit_status$", ExitStatusPrinter)
    printers.add_printer("child", r"^brood::basic_child<.*>$", ChildPrinter)
    return printers


gdb.printing.register_pretty_printer(gdb.current_objfile(), build_printers(), replace=True)
