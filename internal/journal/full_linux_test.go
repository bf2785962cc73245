package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a small file system in memory for the time of the test. Where the tests
// must not be blind (CI=true), it fails if it may not.
func mountTmpfs(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a tmpfs of %s: %v; in CI this test runs as root", size, err)
		}
		t.Skipf("wants the right to mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func unmount(t *testing.T, dir string) {
	if err := unix.Unmount(dir, 0); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}

// TestFullDisk fills a real file system of one megabyte while records come in, makes space and fills it again.
// Nobody is kept waiting, and every record is either in the journal or counted.
func TestFullDisk(t *testing.T) {
	disk := mountTmpfs(t, "1m")
	ballast := filepath.Join(disk, "ballast")
	dir := filepath.Join(disk, "journal")
	j, err := Open(dir, Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	sent, kept := 0, 0
	send := func() error {
		_, err := j.Append(payload(kept))
		if sent++; err == nil {
			kept++
		}
		return err
	}
	var inJournal [][]byte
	for range 3 {
		if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the disk is full and known to be", func() bool {
			for range 200 {
				if err := send(); err != nil && !errors.Is(err, ErrFull) {
					t.Fatalf("got %v, want ErrFull", err)
				}
			}
			a := j.Stats().Alarm
			return a.State == Refusing && j.Stats().Trouble != ""
		})
		for range 5000 {
			if _, err := j.AppendAll([][]byte{make([]byte, 300), make([]byte, 300)}); err == nil {
				t.Fatal("kept on a full disk")
			}
			sent += 2
		}
		s := j.Stats()
		if int(s.Appended) != kept || int(s.Dropped) != sent-kept || s.DroppedFull != s.Dropped || s.Alarm.Lost != s.Dropped {
			t.Fatalf("%d sent, %d kept: counted %d appended, %d dropped, %d lost", sent, kept, s.Appended, s.Dropped, s.Alarm.Lost)
		}
		got, damages := readLive(t, j, Position{})
		wantNoDamage(t, damages)
		inJournal = append(inJournal[:0], got...)
		wantRecords(t, inJournal, kept-len(got), kept)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the alarm ends by itself", func() bool { return j.Stats().Alarm.State == Fine })
		for range 100 {
			if err := send(); err != nil {
				t.Fatalf("with space again: %v", err)
			}
		}
		if err := j.Release(j.End()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskThatFails puts the journal on a disk that stops taking what is written to it. Syncing then fails,
// which must be known; the records stay readable, and recording goes on.
func TestDiskThatFails(t *testing.T) {
	under := mountTmpfs(t, "24m")
	image, disk := filepath.Join(under, "image"), filepath.Join(under, "disk")
	for _, command := range [][]string{
		{"truncate", "-s", "64M", image},
		{"mkfs.ext4", "-q", "-F", "-O", "^has_journal", image},
		{"mkdir", disk},
		{"mount", "-o", "loop", image, disk},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%v: %v: %s", command, err, out)
			}
			t.Skipf("wants to mount a file as a disk: %v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() { unmount(t, disk) })
	j, err := Open(filepath.Join(disk, "journal"), Options{SegmentBytes: 1 << 20, readyWait: patience})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, 0, 1000)
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	// The image is sparse: with the memory under it full, its new blocks can not be written.
	ballast, err := os.Create(filepath.Join(under, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = ballast.Write(make([]byte, 64<<10))
	}
	_ = ballast.Close()
	next := 1000
	eventually(t, "the failing disk is known", func() bool {
		appendAll(t, j, next, next+500)
		next += 500
		_ = j.Sync()
		return j.Stats().SyncErrors > 0
	})
	if s := j.Stats(); s.SyncError != "" && s.Alarm.State != Endangered {
		t.Errorf("the alarm is %q", s.Alarm)
	}
	t.Logf("after %d records: %s", next, j.Stats().SyncError)
	if s := j.Stats(); s.Dropped != 0 || int(s.Appended) != next {
		t.Errorf("%d sent, %d appended, %d dropped", next, s.Appended, s.Dropped)
	}
	got, damages := readLive(t, j, Position{})
	wantRecords(t, got, 0, next)
	wantNoDamage(t, damages)
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, next, next+100)
	eventually(t, "the disk is well again", func() bool { return j.Sync() == nil && j.Stats().Alarm.State == Fine })
	_ = j.Close() // what had failed may be told once more
}
