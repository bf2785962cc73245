package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// visitor is a browser's connection that is kept alive. It speaks just enough
// HTTP to cost little beside the server that it measures.
type visitor struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
}

// headers are those of a real browser that comes from a blog, about 900 bytes.
const headers = "Host: links.example\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Windows\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n" +
	"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n" +
	"Referer: https://www.blog.example/reviews/the-best-espresso-machines-of-the-year\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n" +
	"Cookie: _ga=GA1.1.1203948571.1731000000; consent=eyJhIjp0cnVlLCJtIjp0cnVlfQ; theme=dark\r\n\r\n"

func arrive(address string) (*visitor, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	return &visitor{conn: conn, r: bufio.NewReaderSize(conn, 8192)}, nil
}

func (v *visitor) leave() { _ = v.conn.Close() }

// follow asks for a name and returns the status of the answer.
func (v *visitor) follow(slug string) (status int, err error) {
	v.request = append(append(append(append(v.request[:0], "GET /go/"...), slug...), " HTTP/1.1\r\n"...), headers...)
	if err := v.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := v.conn.Write(v.request); err != nil {
		return 0, err
	}
	length := 0
	for first := true; ; first = false {
		line, err := v.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
				return 0, fmt.Errorf("answered %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, fmt.Errorf("answered %q", line)
			}
		case len(line) == 0:
			_, err := v.r.Discard(length)
			return status, err
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("Content-Length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, err
			}
		}
	}
}

// crowd is several visitors at once.
type crowd struct {
	address string
	size    int
	rate    int // clicks a second, all together; 0 is as fast as they are answered
	slug    func(visitor, n int) string
}

// answers is what a crowd got.
type answers struct {
	took    time.Duration
	waits   []float64 // milliseconds, one for each 302, from when it was due
	refused int       // any other answer
}

// click clicks until the context ends or the time is over. A click that is due
// while its visitor still waits for the one before counts its own wait from when
// it was due: a server that stalls is not let off the clicks it held up.
func (c *crowd) click(ctx context.Context, d time.Duration) (answers, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	each := make([]answers, c.size)
	errs := make([]error, c.size)
	began := time.Now()
	var all sync.WaitGroup
	for i := range c.size {
		all.Go(func() { errs[i] = c.one(ctx, i, &each[i]) })
	}
	all.Wait()
	sum := answers{took: time.Since(began)}
	for i := range each {
		if errs[i] != nil {
			return sum, errs[i]
		}
		sum.waits = append(sum.waits, each[i].waits...)
		sum.refused += each[i].refused
	}
	return sum, nil
}

func (c *crowd) one(ctx context.Context, i int, got *answers) error {
	v, err := arrive(c.address)
	if err != nil {
		return err
	}
	defer v.leave()
	var interval time.Duration
	if c.rate > 0 {
		interval = time.Second * time.Duration(c.size) / time.Duration(c.rate)
	}
	due := time.Now().Add(interval * time.Duration(i) / time.Duration(c.size))
	for n := 0; ctx.Err() == nil; n++ {
		if interval == 0 {
			due = time.Now()
		} else if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		status, err := v.follow(c.slug(i, n))
		if err != nil {
			return err
		}
		if status == 302 {
			got.waits = append(got.waits, millis(time.Since(due)))
		} else {
			got.refused++
		}
		due = due.Add(interval)
	}
	return nil
}
