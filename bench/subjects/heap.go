// SPDX-License-Identifier: BSD-2-Clause

// An index of records in memory.
//
// heap N: builds one of N, looks each up, and exits 0 if all are there.
// heap grow STATE: adds records until SIGTERM, then writes to STATE how many there are. How many
// there are so far is printed after every 1000.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const size = 1024

var index = map[int][]byte{}

func add() {
	record := make([]byte, size)
	binary.LittleEndian.PutUint64(record[size-8:], uint64(len(index)))
	index[len(index)] = record
}

func countGood() (good int) {
	for i, record := range index {
		if binary.LittleEndian.Uint64(record[size-8:]) == uint64(i) {
			good++
		}
	}
	return
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "heap:", err)
		os.Exit(1)
	}
}

func grow(state string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for len(stop) == 0 {
		add()
		if len(index)%1000 == 0 {
			fmt.Println(len(index))
		}
	}
	file, err := os.Create(state + ".tmp")
	check(err)
	_, err = fmt.Fprintln(file, countGood())
	check(err)
	check(file.Sync())
	check(file.Close())
	check(os.Rename(state+".tmp", state))
}

func main() {
	if os.Args[1] == "grow" {
		grow(os.Args[2])
		return
	}
	count, err := strconv.Atoi(os.Args[1])
	check(err)
	for len(index) < count {
		add()
	}
	if countGood() != count {
		os.Exit(1)
	}
}
