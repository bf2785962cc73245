package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine is where the figures come from.
type machine struct {
	Program    string  `json:"program"` // its version
	Go         string  `json:"go"`
	Processor  string  `json:"processor"`
	Cores      int     `json:"cores"`
	MemoryMiB  int64   `json:"memory_mib"`
	Kernel     string  `json:"kernel"`
	FileSystem string  `json:"file_system"`
	SyncMillis float64 `json:"sync_ms"`       // median time to write 4 KiB and sync them
	WriteMiBs  float64 `json:"write_mib_s"`   // 256 MiB written and synced
	Load       string  `json:"load_at_start"` // runnable processes over 1, 5 and 15 minutes
}

func describeMachine(ctx context.Context, dir, program string) (m machine, err error) {
	version, err := exec.CommandContext(ctx, program, "version").Output()
	if err != nil {
		return m, fmt.Errorf("%s version: %w", program, err)
	}
	m.Program, _, _ = strings.Cut(strings.TrimSpace(string(version)), "\n")
	m.Go, m.Cores = runtime.Version(), runtime.NumCPU()
	m.Processor = strings.TrimSpace(strings.TrimPrefix(field("/proc/cpuinfo", "model name"), ":"))
	kibibytes, _ := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal:"), " kB"), 10, 64)
	m.MemoryMiB = kibibytes >> 10
	m.Kernel, m.Load = firstLine("/proc/sys/kernel/osrelease"), firstLine("/proc/loadavg")
	m.FileSystem = fileSystem(dir)
	m.SyncMillis, m.WriteMiBs, err = tryDisk(filepath.Join(dir, "disk"))
	return m, err
}

func (m *machine) text() string {
	return fmt.Sprintf(`%s
%d × %s, %s MiB of memory, Linux %s, %s
temporary data on %s: %.2f ms to sync 4 KiB, %.0f MiB/s written and synced
load average at the start: %s; whatever else runs here is in the figures
`, m.Program, m.Cores, m.Processor, grouped(m.MemoryMiB), m.Kernel, m.Go, m.FileSystem, m.SyncMillis, m.WriteMiBs, m.Load)
}

// field returns what follows a name at the beginning of a line of a /proc file.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// fileSystem names the type and the device that hold a folder.
func fileSystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "an unknown file system"
	}
	best, at := "an unknown file system", ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < len(at) {
			continue
		}
		if dir == f[1] || strings.HasPrefix(dir, strings.TrimSuffix(f[1], "/")+"/") {
			best, at = f[2]+" ("+f[0]+")", f[1]
		}
	}
	return best
}

// tryDisk tells how long a small synced write takes and how fast a long one is.
func tryDisk(path string) (syncMillis, mebibytesPerSecond float64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(path)
	}()
	timed := func(bytes, times int) (seconds float64, err error) {
		began := time.Now()
		for range times {
			if _, err := f.Write(make([]byte, bytes)); err != nil {
				return 0, err
			}
		}
		return time.Since(began).Seconds(), f.Sync()
	}
	var syncs []float64
	for range 50 {
		began := time.Now()
		if _, err := timed(4096, 1); err != nil {
			return 0, 0, err
		}
		syncs = append(syncs, millis(time.Since(began)))
	}
	const mebibytes = 256
	began := time.Now()
	if _, err := timed(1<<20, mebibytes); err != nil {
		return 0, 0, err
	}
	return quantile(syncs, 0.5), mebibytes / time.Since(began).Seconds(), nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// usage is what the machine, and this run of it, has computed so far.
type usage struct {
	at     time.Time
	busy   time.Duration // all processors together
	stolen time.Duration // kept by the host
	ours   time.Duration // this process and the children that have ended
}

// tick is the unit of time in /proc.
const tick = 10 * time.Millisecond

func readUsage() usage {
	u := usage{at: time.Now()}
	for i, text := range strings.Fields(field("/proc/stat", "cpu ")) {
		n, _ := strconv.ParseInt(text, 10, 64)
		switch i {
		case 0, 1, 2, 5, 6: // user, nice, system, interrupts
			u.busy += time.Duration(n) * tick
		case 7:
			u.stolen = time.Duration(n) * tick
		}
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		u.ours += processor(who)
	}
	return u
}

// processor is the time that this process, or its children that have ended, have
// had of all processors.
func processor(who int) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(who, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// treeProcessor is the time that a process and its children have had of all
// processors.
func treeProcessor(pid int) time.Duration {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	_, rest, _ := strings.Cut(firstLine(filepath.Join(proc, "stat")), ") ") // the name of the program may hold anything
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	used := time.Duration(user+system) * tick
	for _, child := range strings.Fields(firstLine(filepath.Join(proc, "task", strconv.Itoa(pid), "children"))) {
		if n, err := strconv.Atoi(child); err == nil {
			used += treeProcessor(n)
		}
	}
	return used
}

// partResult tells how much of the machine a part had to itself.
type partResult struct {
	Name    string  `json:"name"`
	Round   int     `json:"round"`
	Seconds float64 `json:"seconds"`
	Ours    float64 `json:"ours"`   // share of all processors
	Others  float64 `json:"others"` // share of all processors that other programs had
	Stolen  float64 `json:"stolen"` // share that the host gave to other machines
}

func (u usage) since(before usage) partResult {
	wall := u.at.Sub(before.at)
	share := func(d time.Duration) float64 { return max(0, float64(d)/float64(wall)/float64(runtime.NumCPU())) }
	return partResult{Seconds: wall.Seconds(), Ours: share(u.ours - before.ours),
		Others: share(u.busy - before.busy - (u.ours - before.ours)), Stolen: share(u.stolen - before.stolen)}
}

func (p *partResult) text() string {
	return fmt.Sprintf("%.0f s; of all processors this run had %.0f %%, other programs %.0f %%, other machines of the host %.0f %%",
		p.Seconds, 100*p.Ours, 100*p.Others, 100*p.Stolen)
}
