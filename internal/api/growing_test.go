package api

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What is read is what was written, however the two meet, and the reader learns why it is not whole.
func TestGrowingFile(t *testing.T) {
	for _, failure := range []error{nil, errors.New("the disk is full")} {
		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		g := newGrowing(file)
		var want bytes.Buffer
		go func() {
			for i := range 2000 {
				piece := bytes.Repeat([]byte{byte(i)}, i%700)
				want.Write(piece)
				if _, err := g.Write(piece); err != nil {
					t.Error(err)
				}
			}
			g.end(failure)
		}()
		var have bytes.Buffer
		if err := g.copyTo(&have); !errors.Is(err, failure) {
			t.Errorf("it ended with %v, want %v", err, failure)
		}
		if !bytes.Equal(have.Bytes(), want.Bytes()) {
			t.Errorf("%d bytes were read of %d", have.Len(), want.Len())
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
