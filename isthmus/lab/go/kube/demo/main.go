// demo: the application of the demonstration and of the lab's tests, and the client that loads it.
//
//	demo serve   answers HTTP/1.1, HTTP/2 without TLS, gRPC and WebSocket on :8888 and echoes raw TCP on :9999
//	demo load    calls a URL at a given rate and prints one JSON line for each second
//	demo sleep   does nothing until it is ended
//
// In: requests; CLUSTER and POD from the environment. Out: answers that say who gave them. Never here: anything of the mesh.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	verb, args := "serve", []string{}
	if len(os.Args) > 1 {
		verb, args = os.Args[1], os.Args[2:]
	}
	var err error
	switch verb {
	case "serve":
		err = serve(args)
	case "load":
		err = load(args)
	case "sleep":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
	default:
		err = fmt.Errorf("demo %q is not known; call it as: demo serve, demo load, demo sleep", verb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
