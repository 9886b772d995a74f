package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
)

const (
	drainSeconds = 5
	mostBytes    = 1 << 30 // of /bytes?n=
)

// identity is what every answer says of its sender.
type identity struct {
	Cluster string `json:"cluster"`
	Pod     string `json:"pod"`
}

type app struct {
	who    identity
	calls  atomic.Int64
	failed atomic.Int64 // per mille of calls to / that are answered 500
	delay  atomic.Int64 // nanoseconds before a call to / is answered
	grpc   *grpc.Server
}

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", ":8888", "HTTP/1.1, HTTP/2 and gRPC")
	echo := flags.String("echo", ":9999", "raw TCP echo; empty: none")
	flags.Parse(args)
	host, _ := os.Hostname()
	a := &app{who: identity{os.Getenv("CLUSTER"), or(os.Getenv("POD"), host)}}
	a.grpc = newGRPC(a.who)

	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: *listen, Handler: a.handler(), Protocols: protocols, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- server.ListenAndServe() }()
	if *echo != "" {
		go func() { failed <- echoTCP(*echo) }()
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		return err
	case <-stop:
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainSeconds*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.answer)
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) { reply(w, r.Header) })
	mux.HandleFunc("/request", a.request)
	mux.HandleFunc("/bytes", a.bytes)
	mux.HandleFunc("/upload", a.upload)
	mux.HandleFunc("/status/{code}", a.status)
	mux.HandleFunc("/fault", a.fault)
	mux.HandleFunc("/ws", a.socket)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			a.grpc.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// answer says who answered. `delay` (a duration) in the query holds this one answer back.
func (a *app) answer(w http.ResponseWriter, r *http.Request) {
	n := a.calls.Add(1)
	wait := time.Duration(a.delay.Load())
	if own, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
		wait = own
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return
	}
	if n*a.failed.Load()/1000 != (n-1)*a.failed.Load()/1000 {
		http.Error(w, "failed as asked by /fault", http.StatusInternalServerError)
		return
	}
	reply(w, a.who)
}

// request gives back what arrived, with the peer's identity as the mesh tells it.
func (a *app) request(w http.ResponseWriter, r *http.Request) {
	reply(w, map[string]any{
		"cluster": a.who.Cluster, "pod": a.who.Pod, "client_id": r.Header.Get("l5d-client-id"), "proto": r.Proto,
		"host": r.Host, "method": r.Method, "path": r.URL.RequestURI(), "peer": r.RemoteAddr, "headers": r.Header,
	})
}

// bytes gives back ?n= bytes.
func (a *app) bytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
	if err != nil || n < 0 || n > mostBytes {
		http.Error(w, fmt.Sprintf("n is %q; write for example /bytes?n=1048576 (at most %d)", r.URL.Query().Get("n"), mostBytes), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	io.CopyN(w, zeros{}, n)
}

// upload counts the body.
func (a *app) upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, map[string]any{"cluster": a.who.Cluster, "pod": a.who.Pod, "bytes": n})
}

func (a *app) status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "write for example /status/503 (200 to 599)", http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
}

// fault makes calls to / fail (?permille=) or slow (?delay=) from now on.
func (a *app) fault(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if n, err := strconv.ParseInt(query.Get("permille"), 10, 64); err == nil && n >= 0 && n <= 1000 {
		a.failed.Store(n)
	}
	if d, err := time.ParseDuration(query.Get("delay")); err == nil && d >= 0 {
		a.delay.Store(int64(d))
	}
	reply(w, map[string]any{"cluster": a.who.Cluster, "permille": a.failed.Load(), "delay": time.Duration(a.delay.Load()).String()})
}

// socket echoes WebSocket messages.
func (a *app) socket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	link, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer link.Close()
	for {
		kind, message, err := link.ReadMessage()
		if err != nil || link.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// echoTCP gives every byte back, without a greeting: the client speaks first.
func echoTCP(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		link, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer link.Close()
			io.Copy(link, link)
		}()
	}
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
