package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

type examination struct {
	Status string `json:"status"`
	Checks []finding
}

func examine(t *testing.T, data string, code int) (examination, map[string]finding) {
	t.Helper()
	var e examination
	sluice(t, data, "doctor", "--format", "json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0").must(t, code).json(t, &e)
	by := map[string]finding{}
	for _, f := range e.Checks {
		by[f.Check] = f
	}
	return e, by
}

func TestDoctorOnAHealthyFolder(t *testing.T) {
	data := t.TempDir()
	sluice(t, data, "link", "add", "a", "https://a.example").must(t, exitFine)
	e, by := examine(t, data, exitFine)
	if e.Status != checkWarn || by["server"].Status != checkWarn {
		t.Errorf("%+v", e)
	}
	for _, check := range []string{"configuration", "data folder", "listen", "admin", "disk", "store", "table", "journal 0", "cookie key", "clock"} {
		if by[check].Status != checkOK {
			t.Errorf("%s: %+v", check, by[check])
		}
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	whole := t.TempDir()
	sluice(t, whole, "link", "add", "a", "https://a.example").must(t, exitFine)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, data string)
		check string
	}{
		"cookie key for all": {func(t *testing.T, data string) { change(t, os.Chmod(filepath.Join(data, "keys", "cookie"), 0o644)) }, "cookie key"},
		"damaged store": {func(t *testing.T, data string) {
			path := filepath.Join(data, "store", "sluice.db")
			b, err := os.ReadFile(path)
			change(t, err)
			for i := 4096; i < len(b); i++ { // behind the first page, which says how large pages are
				b[i] = 0xff
			}
			change(t, os.WriteFile(path, b, 0o600))
			change(t, os.RemoveAll(path+"-wal")) // it could make pages whole again
		}, "store"},
		"clock gone back": {func(t *testing.T, data string) {
			later := time.Now().Add(time.Hour)
			change(t, os.Chtimes(filepath.Join(data, "format"), later, later))
		}, "clock"},
		"unreadable format": {func(t *testing.T, data string) {
			change(t, os.WriteFile(filepath.Join(data, "format"), []byte("?"), 0o600))
		}, "data folder"},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			change(t, os.CopyFS(data, os.DirFS(whole)))
			change(t, os.Chmod(filepath.Join(data, "keys", "cookie"), 0o600))
			c.spoil(t, data)
			e, by := examine(t, data, exitProblems)
			if f := by[c.check]; f.Status != checkFail || f.Remedy == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func change(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDoctorBeforeTheFirstStart(t *testing.T) {
	_, by := examine(t, filepath.Join(t.TempDir(), "absent"), exitFine)
	if f := by["data folder"]; f.Status != checkWarn || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorReportsABadConfiguration(t *testing.T) {
	bad := write(t, "sluice.yml", "lisen: x\nnode: many\n")
	got := sluice(t, t.TempDir(), "doctor", "--config", bad).must(t, exitProblems)
	contains(t, got.out, "fail  configuration", "did you mean listen?", "line 2: node")
}
