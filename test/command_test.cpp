// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/command.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <sstream>

using namespace brood;

namespace {

std::string printed(command const& cmd)
{
    std::ostringstream out;
    out << cmd;
    return out.str();
}

} // namespace

TEST_SUITE_BEGIN("command");

TEST_CASE("command <<: prints the shell command")
{
    struct {
        command cmd;
        std::string_view text;
    } const rows[] = {
        {command("prog"), "prog"},
        {command("prog", "x"), "prog x"},
        {command("/bin/echo", "a b", "", "c"), R"(/bin/echo "a b" "" c)"},
        {command("prog").current_dir("d"), "cd d && prog"},
        {command("prog").current_dir("/a dir"), R"(cd "/a dir" && prog)"},
        {command("prog", "x").current_dir("d").env("A", "v").env_remove("K"), "cd d && env -u K A=v prog x"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.text);
        CHECK(printed(row.cmd) == row.text);
    }
}

TEST_CASE("command <<: prints environment changes before the program")
{
    struct {
        command cmd;
        std::string_view text;
    } const rows[] = {
        {command("prog").env("A", "v"), "A=v prog"},
        {command("prog").env("A", ""), R"(A="" prog)"},
        {command("prog").env("B", "2").env("A", "1 2"), R"(A="1 2" B=2 prog)"},
        {command("prog").env("A", "1").env("A", "2"), "A=2 prog"},
        {command("prog").env_remove("K"), "env -u K prog"},
        {command("prog").env_remove("L").env_remove("K"), "env -u K -u L prog"},
        {command("prog").env_remove("B").env("A", "1").env("C", "3"), "env -u B A=1 C=3 prog"},
        {command("prog").env("A", "1").env_remove("A"), "env -u A prog"},
        {command("prog").env_remove("A").env("A", "1"), "A=1 prog"},
        {command("prog").env_clear(), "env -i prog"},
        {command("prog").env_clear().env("A", "1"), "env -i A=1 prog"},
        {command("prog").env("A", "1").env_remove("B").env_clear(), "env -i prog"},
        {command("prog").env_clear().env("A", "1").env_remove("B"), "env -i A=1 prog"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.text);
        CHECK(printed(row.cmd) == row.text);
    }
}

TEST_CASE("command <<: prints arg0 with exec -a")
{
    CHECK(printed(command("prog", "x").arg0("name")) == "exec -a name prog x");
    CHECK(printed(command("prog").arg0("")) == R"(exec -a "" prog)");
    CHECK(printed(command("prog").arg0("a\"b")) == R"(exec -a "a\"b" prog)");
    CHECK(printed(command("prog").arg0("n").env("A", "1").current_dir("d")) == "cd d && A=1 exec -a n prog");
}

TEST_CASE("command <<: prints kept variables, and what runs in another root")
{
    struct {
        command cmd;
        std::string_view text;
    } const rows[] = {
        {command("prog").env_keep("PATH", "HOME"), R"(env -i HOME="$HOME" PATH="$PATH" prog)"},
        {command("prog").env_keep("PATH").env("PATH", "/bin"), "env -i PATH=/bin prog"},
        {command("prog").chroot("/a b"), R"(chroot "/a b" prog)"},
        {command("prog").chroot("/r").env("A", "1"), "chroot /r env A=1 prog"},
        {command("prog", "x").chroot("/r").current_dir("d").arg0("n").env_remove("K"),
         "chroot /r env -C d -a n -u K prog x"},
        {command("A=1", "B=2"), R"("A=1" B=2)"},
        {command::shell("echo $HOME"), R"(/bin/sh -c "echo \$HOME")"},
        {command::shell("-x; echo"), R"(/bin/sh -c " -x; echo")"}, // not an option
        {command::shell("+x"), R"(/bin/sh -c " +x")"},
        {command("prog").env_keep(), "env -i prog"},
        {command("prog").env_remove("A B").env("X;y", "1"), R"(env -u "A B" "X;y=1" prog)"},
        {command("prog").env("1A", "b c"), R"(env "1A=b c" prog)"},
        {command("prog").current_dir("-x"), "cd -- -x && prog"},
        {command("time").arg("ls"), R"("time" ls)"}, // not the reserved word
    };
    for (auto const& row : rows) {
        CAPTURE(row.text);
        CHECK(printed(row.cmd) == row.text);
    }
}

TEST_CASE("command: env sets the variables of a range")
{
    std::map<std::string, std::string> const map{{"A", "1"}, {"B", "2"}};
    std::vector<std::pair<char const*, std::string_view>> const pairs{{"B", "3"}, {"C", "4"}};
    CHECK(printed(command("prog").env(map).env(pairs)) == "A=1 B=3 C=4 prog");
}

TEST_CASE("command: under puts launchers in front")
{
    std::vector<std::string> const launcher{"srun", "-n1"};
    struct {
        command cmd;
        std::string_view text;
    } const rows[] = {
        {command("make", "-j").under("srun", "-n1"), "srun -n1 make -j"},
        {command("make", "-j").under(launcher), "srun -n1 make -j"},
        {command("make").under("nice").under("srun", "-n1"), "srun -n1 nice make"},
        {command("make").under(std::vector<std::string>()), "make"},
        {command("a b").under("nice"), R"(nice "a b")"},
        {command("make").under("nice").arg("all"), "nice make all"},
        {command("make").current_dir("d").env("A", "1").under("nice"), "cd d && A=1 nice make"},
        {command("make").chroot("/r").under("nice"), "chroot /r nice make"},
        {command("make").under("nice").arg0("n"), "exec -a n nice make"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.text);
        CHECK(printed(row.cmd) == row.text);
        CHECK_FALSE(row.cmd.data().launcher_error);
    }
    command lvalue("make", "-j");
    CHECK(printed(lvalue.under(launcher)) == "srun -n1 make -j");
    CHECK(printed(lvalue.under("a", "b")) == "a b srun -n1 make -j");
}

TEST_CASE("command: under_shell passes the shell line as the last argument")
{
    std::vector<std::string> const launcher{"ssh", "host"};
    auto const all = command("make", "it's").current_dir("/d").env("A", "1 2").umask(077).under_shell(launcher);
    CHECK(all.program() == "ssh");
    CHECK(all.arguments() == std::vector<std::string>{"host", R"(cd -P /d && exec env A='1 2' make 'it'\''s')"});
    CHECK_FALSE(all.data().directory);
    CHECK(all.data().env.unchanged());
    CHECK(all.data().umask == mode_t(077));
    CHECK_FALSE(all.data().launcher_error);

    auto const twice = command("make", "a b").under("nice").under_shell("ssh", "b").under_shell("ssh", "a");
    CHECK(twice.arguments() == std::vector<std::string>{"a", R"(exec ssh b 'exec nice make '\''a b'\''')"});
    CHECK(printed(command("make").under_shell(std::vector<std::string>())) == "make");
    command lvalue("make");
    CHECK(printed(lvalue.under_shell("su", "-c")) == R"(su -c "exec make")");
}

TEST_CASE("command: under and under_shell keep the error of what they cannot pass on")
{
    struct {
        command cmd;
        error_code error;
    } const rows[] = {
        {command("make").arg0("n").under("nice"), errc::inexpressible},
        {command("make").under("nice").arg0("n").under("srun"), errc::inexpressible},
        {command("").under("nice"), errc::empty_program},
        {command("make").arg0("n").under_shell("ssh", "host"), errc::inexpressible},
        {command("make").chroot("/r").under_shell("ssh", "host"), errc::inexpressible},
        {command("").under_shell("ssh", "host"), errc::empty_program},
        {command("make", std::string(1, '\0')).under_shell("ssh", "host"), errc::nul_byte},
        {command("make").arg0("n").under("nice").under_shell("ssh", "host"), errc::inexpressible},
        {command("make").arg0("n").under_shell("ssh", "host").under("nice"), errc::inexpressible},
    };
    for (auto const& row : rows) {
        CAPTURE(row.cmd);
        CHECK(row.cmd.data().launcher_error == row.error);
        auto const line = shell_line(row.cmd);
        CHECK_FALSE(line);
        CHECK((line || line.error() == row.error));
    }
}

TEST_CASE("describe: names the program, the stage and what it refers to")
{
    struct {
        command cmd;
        error_code error;
        std::string_view text;
    } const rows[] = {
        {command("convert").current_dir("/srv/images"), make_error_code(spawn_stage::directory, ENOENT),
         "convert: change directory to /srv/images: No such file or directory"},
        {command("convert").chroot("/jail"), make_error_code(spawn_stage::root, EPERM),
         "convert: change root to /jail: Operation not permitted"},
        {command("convert").cgroup("/c"), make_error_code(spawn_stage::cgroup, EACCES),
         "convert: enter cgroup /c: Permission denied"},
        {command("convert").namespaces(ns::user, ns::net), make_error_code(spawn_stage::namespaces, EPERM),
         "convert: create namespaces user, net: Operation not permitted"},
        {command("convert").current_dir("a\nb"), make_error_code(spawn_stage::directory, ENOENT),
         R"(convert: change directory to "a\nb": No such file or directory)"},
        {command("a b"), make_error_code(spawn_stage::exec, ENOENT),
         R"("a b": execute program: No such file or directory)"},
        {command("convert"), errc::timed_out, "convert: timed out"},
        {command(""), errc::empty_program, R"("": program name is empty)"},
    };
    for (auto const& row : rows) {
        CAPTURE(row.text);
        CHECK(describe(row.cmd, row.error) == row.text);
    }
}

TEST_CASE("command <<: quotes or escapes every byte")
{
    static constexpr char digits[] = "0123456789abcdef";
    for (int byte = 0; byte < 256; ++byte) {
        CAPTURE(byte);
        char const c = static_cast<char>(byte);
        std::string expected(1, c);
        if (c == '"' || c == '\\' || c == '$' || c == '`')
            expected.insert(0, "\\");
        else if (c == '\n')
            expected = "\\n";
        else if (c == '\t')
            expected = "\\t";
        else if (c == '\r')
            expected = "\\r";
        else if (byte < 0x20 || byte == 0x7f)
            expected = std::string("\\x") + digits[byte / 16] + digits[byte % 16];
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           (c != '\0' && std::strchr("%+,-./:=@_", c));
        if (!plain)
            expected = '"' + expected + '"';
        CHECK(printed(command("p", std::string(1, c))) == "p " + expected);
    }
}

TEST_CASE("command <<: quotes all strings except keys")
{
    std::string const text = "a\"$(b)`c`\\\n";
    std::string const quoted = R"("a\"\$(b)\`c\`\\\n")";
    CHECK(printed(command(text)) == quoted);
    CHECK(printed(command("p", text)) == "p " + quoted);
    CHECK(printed(command("p").arg0(text)) == "exec -a " + quoted + " p");
    CHECK(printed(command("p").env("K", text)) == "K=" + quoted + " p");
    CHECK(printed(command("p").current_dir(text)) == "cd " + quoted + " && p");
}

TEST_CASE("command <<: omits options that are not text")
{
    command cmd("prog", "x");
    cmd.in(stdio::null()).fd(7, stdio::piped()).umask(022).session().backend(spawn_backend::fork);
    CHECK(printed(cmd) == "prog x");
}

TEST_CASE("command <<: can be chained")
{
    std::ostringstream out;
    out << "<" << command("a") << "|" << command("b") << ">";
    CHECK(out.str() == "<a|b>");
}

TEST_SUITE_END();
