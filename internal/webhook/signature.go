package webhook

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A secret is whsec_ and 24 to 64 random bytes in base64, as the specification asks.
const (
	secretPrefix   = "whsec_"
	secretBytesMin = 24
	secretBytesMax = 64
	secretBytes    = 32 // of a new one
)

// NewSecret makes a secret of 32 bytes that are read from random.
func NewSecret(random io.Reader) (string, error) {
	var b [secretBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("a secret for webhooks: %w", err)
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:]), nil
}

// secretFault says what is wrong with a secret, without telling it; "" is nothing.
func secretFault(secret string) string {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return "a secret starts with " + secretPrefix
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "what follows " + secretPrefix + " is not base64 with padding"
	}
	if len(b) < secretBytesMin || len(b) > secretBytesMax {
		return fmt.Sprintf("the secret has %d bytes; it needs %d to %d", len(b), secretBytesMin, secretBytesMax)
	}
	return ""
}

// sign returns the webhook-signature of a message: one for each secret, with a space
// between them.
func sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, secret := range secrets {
		signer, err := standard.NewWebhook(secret)
		if err != nil {
			return "", fmt.Errorf("the endpoint's secret is not base64; set a new one")
		}
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, signature)
	}
	return strings.Join(all, " "), nil
}
