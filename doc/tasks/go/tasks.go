// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// The ten tasks of doc/ten-tasks.md with os/exec.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Task 1: run and get the exit status
func run(cmd *exec.Cmd) (*os.ProcessState, error) {
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return nil, err
	}
	return cmd.ProcessState, nil
}

// Task 2: capture stdout
func capture(cmd *exec.Cmd) (string, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}

// Task 3: write stdin, capture stdout and stderr
func filter(cmd *exec.Cmd, input string) (string, string, error) {
	var out, err strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &err
	status := cmd.Run()
	return out.String(), err.String(), status
}

// Task 4: time limit that also ends the grandchildren
func runLimited(limit time.Duration, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Task 5: at most N children at a time
func runAll(cmds []*exec.Cmd, limit int) []error {
	errs := make([]error, len(cmds))
	slots := make(chan struct{}, limit)
	var running sync.WaitGroup
	for i, cmd := range cmds {
		slots <- struct{}{}
		running.Add(1)
		go func() {
			defer running.Done()
			errs[i] = cmd.Run()
			<-slots
		}()
	}
	running.Wait()
	return errs
}

// Task 6: pipeline of two programs
func pipe(first, second *exec.Cmd) (string, error) {
	source, sink, err := os.Pipe()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	first.Stdout, second.Stdin, second.Stdout = sink, source, &out
	firstErr := first.Start()
	sink.Close()
	secondErr := second.Start()
	source.Close()
	if firstErr == nil {
		if secondErr != nil {
			first.Process.Kill()
		}
		firstErr = first.Wait()
	}
	if secondErr == nil {
		secondErr = second.Wait()
	}
	return out.String(), errors.Join(secondErr, firstErr)
}

// Task 7: output line by line
func follow(cmd *exec.Cmd, onLine func(string)) error {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		onLine(lines.Text())
	}
	if lines.Err() != nil { // a line is longer than 64 KiB
		cmd.Process.Kill()
	}
	return errors.Join(lines.Err(), cmd.Wait())
}

// Task 8: stop politely, then kill
func stop(cmd *exec.Cmd, grace time.Duration) error {
	cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(grace, func() { cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}

// Task 9: request and reply
func talk(cmd *exec.Cmd, requests []string) ([]string, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	var replies []string
	for _, request := range requests {
		_, err := io.WriteString(in, request+"\n")
		var reply string
		if err == nil {
			reply, err = lines.ReadString('\n')
		}
		if err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return nil, err
		}
		replies = append(replies, strings.TrimSuffix(reply, "\n"))
	}
	in.Close()
	io.Copy(io.Discard, lines)
	return replies, cmd.Wait()
}

// Task 10: restart after a crash
func keepRunning(pause time.Duration, program string, args ...string) error {
	for ; ; pause = min(2*pause, time.Minute) {
		err := exec.Command(program, args...).Run()
		var failed *exec.ExitError
		if !errors.As(err, &failed) {
			return err
		}
		fmt.Fprintf(os.Stderr, "%v; next start in %d ms\n", failed, pause.Milliseconds())
		time.Sleep(pause)
	}
}

// The command line, for the test

var errUsage = errors.New("usage: tasks TASK ARGUMENT...")

func command(words []string) *exec.Cmd { return exec.Command(words[0], words[1:]...) }

func shell(line string) *exec.Cmd { return exec.Command("sh", "-c", line) }

func printResult(text string, err error) error {
	fmt.Print(text)
	return err
}

func printEnd(err error) error {
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	fmt.Println(err)
	return nil
}

func runTask(task string, args []string) error {
	number := 0
	switch task {
	case "run-limited", "run-all", "stop", "keep-running":
		var err error
		if number, err = strconv.Atoi(args[0]); err != nil {
			return fmt.Errorf("%w: %v", errUsage, err)
		}
		if args = args[1:]; len(args) == 0 {
			return errUsage
		}
	}
	milliseconds := time.Duration(number) * time.Millisecond
	switch task {
	case "run":
		state, err := run(command(args))
		if err == nil {
			fmt.Println(state)
		}
		return err
	case "capture":
		return printResult(capture(command(args)))
	case "filter":
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		out, errors, err := filter(command(args), string(input))
		fmt.Fprint(os.Stderr, errors)
		fmt.Print(out)
		return printEnd(err)
	case "run-limited":
		return printEnd(runLimited(milliseconds, args[0], args[1:]...))
	case "run-all":
		var cmds []*exec.Cmd
		for _, line := range args {
			cmds = append(cmds, shell(line))
		}
		for _, err := range runAll(cmds, number) {
			fmt.Println(err)
		}
		return nil
	case "pipe":
		if len(args) < 2 {
			return errUsage
		}
		second := shell(args[1])
		second.Stderr = os.Stderr
		return printResult(pipe(shell(args[0]), second))
	case "follow":
		return follow(command(args), func(line string) { fmt.Println(line) })
	case "stop":
		cmd := command(args)
		if err := cmd.Start(); err != nil {
			return err
		}
		os.Stdin.Read(make([]byte, 1))
		return printEnd(stop(cmd, milliseconds))
	case "talk":
		replies, err := talk(shell(args[0]), args[1:])
		for _, reply := range replies {
			fmt.Println(reply)
		}
		return err
	case "keep-running":
		return keepRunning(milliseconds, args[0], args[1:]...)
	}
	return fmt.Errorf("%w: no such task: %s", errUsage, task)
}

func main() {
	err := errUsage
	if len(os.Args) >= 3 {
		err = runTask(os.Args[1], os.Args[2:])
	}
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "tasks:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}
