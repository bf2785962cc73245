//go:build !linux

package load

import (
	"context"
	"errors"
)

// Client is a crowd of visitors; there is none on this system.
type Client struct{}

// New says that visitors need Linux.
func New(Options) (*Client, error) { return nil, errors.New("visitors need Linux") }

// Follow does nothing.
func (*Client) Follow(string) error { return nil }

// Run does nothing.
func (*Client) Run(context.Context) (Result, error) { return Result{}, nil }
