// Package store is the contract of where the control data lives.
package store

// Store is the control data.
type Store interface {
	Close() error
}
