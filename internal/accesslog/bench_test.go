package accesslog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// From a file to chunks. A busy nginx writes some 10,000 lines a second; the server takes
// 400,000.
func BenchmarkLines(b *testing.B) {
	const lines = 400_000
	path := filepath.Join(b.TempDir(), "access.log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	pad := strings.Repeat("m", 150)
	for n := range lines {
		at := time.Unix(1781524800+int64(n/5000), 0).UTC()
		if _, err := fmt.Fprintf(f, "198.51.100.%d - - [%s] \"GET /go/%d HTTP/1.1\" 302 0 \"-\" \"%s\"\n", n%200, at.Format("02/Jan/2006:15:04:05 -0700"), n, pad); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	second := func(line []byte) (int64, bool) { // the parsing is the format's business
		return int64(line[len("198.51.100.1 - - [02/Jan/2006:15:04:05")-1]), true
	}
	for name, o := range map[string]Options{"sluice": {}, "combined": {Second: second}} {
		b.Run(name, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				o.Files, o.State = []string{path}, filepath.Join(b.TempDir(), fmt.Sprint(n))
				r, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				for {
					c, err := r.Next(b.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					if err := r.Done(c); err != nil {
						b.Fatal(err)
					}
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
