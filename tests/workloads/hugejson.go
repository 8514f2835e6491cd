// SPDX-License-Identifier: BSD-2-Clause

// hugejson: an HTTP server on a port of its own that answers GET /report with one JSON reply as
// long as memory allows, built in memory before it is sent. SIGTERM cancels the requests, waits
// for them, writes the state file and exits 0: what a careful server does. With -self-request it
// asks itself for the report, so that no client is needed. With -stream it is mended: each part is
// sent when it is made.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

type record struct {
	ID    int       `json:"id"`
	Name  string    `json:"name"`
	Tags  []string  `json:"tags"`
	Price float64   `json:"price"`
	At    time.Time `json:"at"`
}

// Some 64 KiB of the reply.
func encodePart(first int) ([]byte, error) {
	records := make([]record, 400)
	for i := range records {
		records[i] = record{
			ID:    first + i,
			Name:  fmt.Sprintf("article number %d of a long list", first+i),
			Tags:  []string{"spike", "report", strings.Repeat("x", 64)},
			Price: float64(i) * 1.25,
			At:    time.Unix(int64(first+i), 0),
		}
	}
	return json.Marshal(records)
}

func report(w http.ResponseWriter, r *http.Request, max int64, stream bool) {
	var parts [][]byte
	var size int64

	for n := 0; size < max; n++ {
		if r.Context().Err() != nil {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		part, err := encodePart(n * 400)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		size += int64(len(part))
		if !stream {
			parts = append(parts, part)
		} else if _, err := w.Write(part); err != nil {
			return
		}
	}
	if stream {
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(size))
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// The same form as the victim's: a reason, padding, a checksum of all before it.
func writeState(path string, reason string) error {
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0600)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := fnv.New32a()
	out := bufio.NewWriter(file)
	both := io.MultiWriter(out, sum)
	fmt.Fprintf(both, "reason %s\n", reason)
	for i := 0; i < 1024; i++ {
		fmt.Fprintf(both, "%063d\n", i)
	}
	fmt.Fprintf(out, "checksum %08x\n", sum.Sum32())
	if err := out.Flush(); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func main() {
	state := flag.String("state", "", "written, synced and renamed by the shutdown")
	max := flag.Int64("max-mib", 4096, "size of the reply")
	port := flag.String("port-file", "", "where the port is written")
	stream := flag.Bool("stream", false, "send the reply in parts")
	self := flag.Bool("self-request", false, "request the report itself")
	flag.Parse()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)

	requests, cancel := context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) {
		report(w, r, *max<<20, *stream)
	})
	server := &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	address := listener.Addr().String()
	if *port != "" {
		if err := os.WriteFile(*port, []byte(address+"\n"), 0600); err != nil {
			log.Fatal(err)
		}
	}
	go server.Serve(listener)

	replied := make(chan int, 1)
	if *self {
		go func() {
			reply, err := http.Get("http://" + address + "/report")
			if err != nil {
				replied <- 0
				return
			}
			io.Copy(io.Discard, reply.Body)
			reply.Body.Close()
			replied <- reply.StatusCode
		}()
	}

	reason := "signal"
	select {
	case <-signals:
	case <-replied:
		reason = "max"
	}
	cancel()
	deadline, done := context.WithTimeout(context.Background(), 20*time.Second)
	defer done()
	if err := server.Shutdown(deadline); err != nil {
		log.Fatal(err)
	}
	if *state != "" {
		if err := writeState(*state, reason); err != nil {
			log.Fatal(err)
		}
	}
}
