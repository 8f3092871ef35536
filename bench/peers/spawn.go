// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Go. Arguments: PROGRAM COUNT IN_FLIGHT.
//
// Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

func run(program string, count, inFlight int) {
	var workers sync.WaitGroup
	for i := 0; i < inFlight; i++ {
		share := count / inFlight
		if i < count%inFlight {
			share++
		}
		workers.Add(1)
		go func() {
			defer workers.Done()
			for ; share > 0; share-- {
				if err := exec.Command(program).Run(); err != nil {
					panic(err)
				}
			}
		}()
	}
	workers.Wait()
}

func main() {
	count, _ := strconv.Atoi(os.Args[2])
	inFlight, _ := strconv.Atoi(os.Args[3])
	run(os.Args[1], inFlight+2, inFlight)
	start := time.Now()
	run(os.Args[1], count, inFlight)
	fmt.Println(float64(time.Since(start).Nanoseconds()) / 1e3 / float64(count))
}
