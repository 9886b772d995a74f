package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// second is one line of output: what happened since the line before. Latencies are milliseconds; `late` counts calls that
// were due but had no connection free, which are not made.
type second struct {
	At       float64        `json:"at"`
	Count    int            `json:"count"`
	OK       int            `json:"ok"`
	Failures int            `json:"failures"`
	Late     int64          `json:"late"`
	P50      float64        `json:"p50_ms"`
	P90      float64        `json:"p90_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`
	Shares   map[string]int `json:"shares"`
	Reasons  map[string]int `json:"reasons,omitempty"`
	Total    bool           `json:"total,omitempty"`
}

// mostSamples bounds what a tally keeps for its percentiles; later calls are counted only.
const mostSamples = 1 << 20

// tally collects calls until they are taken: those of one second, or all.
type tally struct {
	mutex sync.Mutex
	took  []float64
	line  second
}

func load(args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	url := flags.String("url", "", "what to call, for example http://backend-svc:8888")
	rps := flags.Float64("rps", 50, "calls a second; 0: as many as the connections carry")
	connections := flags.Int("connections", 8, "calls at the same time")
	duration := flags.Duration("duration", 0, "how long; 0: until ended")
	timeout := flags.Duration("timeout", 5*time.Second, "of one call")
	keep := flags.Bool("keep-alive", true, "use connections again")
	flags.Parse(args)
	if *url == "" || *rps < 0 || *connections < 1 {
		return errors.New("demo load needs a URL, a rate and connections, for example: demo load --url http://backend-svc:8888 --rps 50 --connections 8")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	client := &http.Client{Timeout: *timeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: *connections, MaxConnsPerHost: *connections, DisableKeepAlives: !*keep}}
	run(ctx, client, *url, *rps, *connections)
	return nil
}

func run(ctx context.Context, client *http.Client, url string, rps float64, connections int) {
	var late atomic.Int64
	now, whole := newTally(), newTally()
	began := time.Now()
	work := pace(ctx, rps, connections, &late)
	var callers sync.WaitGroup
	for range connections {
		callers.Go(func() {
			for range work {
				began := time.Now()
				cluster, err := call(client, url)
				took := float64(time.Since(began).Microseconds()) / 1000
				now.add(took, cluster, err)
				whole.add(took, cluster, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	lines := json.NewEncoder(os.Stdout)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var told int64
	for {
		select {
		case <-tick.C:
			line := now.take(began)
			line.Late, told = late.Load()-told, late.Load()
			lines.Encode(line)
		case <-done:
			line := whole.take(began)
			line.Late, line.Total = late.Load(), true
			lines.Encode(line)
			return
		}
	}
}

// pace gives one token for each call that is due. A token nobody takes at once is counted as late and dropped:
// a slow server must not be met by a burst later.
func pace(ctx context.Context, rps float64, connections int, late *atomic.Int64) <-chan struct{} {
	work := make(chan struct{}, connections)
	go func() {
		defer close(work)
		began := time.Now()
		for n := 0; ctx.Err() == nil; n++ {
			if rps == 0 {
				select {
				case work <- struct{}{}:
				case <-ctx.Done():
				}
				continue
			}
			due := began.Add(time.Duration(float64(n) / rps * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return
			}
			select {
			case work <- struct{}{}:
			default:
				late.Add(1)
			}
		}
	}()
	return work
}

// call makes one request and says which cluster answered.
func call(client *http.Client, url string) (string, error) {
	answer, err := client.Get(url)
	if err != nil {
		var timed interface{ Timeout() bool }
		if errors.As(err, &timed) && timed.Timeout() {
			return "", errors.New("timeout")
		}
		return "", errors.New("no answer")
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return "", errors.New("answer cut off")
	}
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(answer.Status)
	}
	var who identity
	if json.Unmarshal(body, &who) != nil || who.Cluster == "" {
		who.Cluster = "unknown"
	}
	return who.Cluster, nil
}

func newTally() *tally {
	return &tally{line: second{Shares: map[string]int{}, Reasons: map[string]int{}}}
}

func (t *tally) add(took float64, cluster string, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.line.Count++
	if err != nil {
		t.line.Failures++
		t.line.Reasons[err.Error()]++
		return
	}
	t.line.OK++
	t.line.Shares[cluster]++
	if len(t.took) < mostSamples {
		t.took = append(t.took, took)
	}
}

func (t *tally) take(began time.Time) second {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	line := t.line
	line.At = float64(time.Since(began).Milliseconds()) / 1000
	sort.Float64s(t.took)
	line.P50, line.P90, line.P99, line.Max = rank(t.took, 0.5), rank(t.took, 0.9), rank(t.took, 0.99), rank(t.took, 1)
	t.line = second{Shares: map[string]int{}, Reasons: map[string]int{}}
	t.took = t.took[:0]
	return line
}

func rank(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
