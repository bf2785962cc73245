//go:build unix && !linux

package routing

import "os"

// Elsewhere the system does as it thinks best.

func adviseHuge([]byte) {}

func populate([]byte) (ok bool, err error) { return false, nil }

func startWriting(*os.File, int64, int64) error { return nil }

func awaitWritten(*os.File, int64, int64) error { return nil }
