package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password's hash, as RFC 9106 recommends where memory is scarce
// (Options.PasswordMemoryKiB may differ). It is written into every hash, so it can
// be changed later.
const (
	argonTime      = 3
	argonMemoryKiB = 64 << 10
	argonThreads   = 4
	argonKeyBytes  = 32
	argonSaltBytes = 16
)

// newPassword checks a password that somebody chose and hashes it; "" stays "".
func (a *Accounts) newPassword(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if len(password) < PasswordMin || len(password) > PasswordMax {
		return "", invalid("password", fmt.Sprintf("a password has %d to %d bytes; a sentence is a good one", PasswordMin, PasswordMax))
	}
	salt := make([]byte, argonSaltBytes)
	if _, err := io.ReadFull(a.random, salt); err != nil {
		return "", fmt.Errorf("no random numbers for a password's salt: %w", err)
	}
	key, err := a.argon(ctx, password, salt, argonTime, a.memoryKiB, argonThreads)
	if err != nil {
		return "", err
	}
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memoryKiB, argonTime, argonThreads, encode(salt), encode(key)), nil
}

// argon hashes when it is its turn.
func (a *Accounts) argon(ctx context.Context, password string, salt []byte, time, memory uint32, threads uint8) ([]byte, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	}
	return argon2.IDKey([]byte(password), salt, time, memory, threads, argonKeyBytes), nil
}

// passwordMatches compares a password with a stored hash in constant time. Where
// there is no user or no password it hashes all the same, so that the time it takes
// does not tell who exists.
func (a *Accounts) passwordMatches(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" {
		_, err := a.argon(ctx, password, make([]byte, argonSaltBytes), argonTime, a.memoryKiB, argonThreads)
		return false, err
	}
	var version int
	var memory, time uint32
	var threads uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a stored password hash is of an unknown kind; set the password again")
	}
	_, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads)
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, wantErr := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || saltErr != nil || wantErr != nil || version != argon2.Version || time == 0 || threads == 0 || len(want) != argonKeyBytes {
		return false, fmt.Errorf("a stored password hash cannot be read; set the password again")
	}
	got, err := a.argon(ctx, password, salt, time, memory, threads)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}
