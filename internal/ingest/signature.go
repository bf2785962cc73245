package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SecretPrefix stands before a key's base64, as Standard Webhooks spells secrets.
const SecretPrefix = "whsec_"

// SkewMax is how far a sender's clock may be from ours.
const SkewMax = 5 * time.Minute

// Secret is a key as people copy it.
func Secret(key []byte) string { return SecretPrefix + base64.StdEncoding.EncodeToString(key) }

// Sign is the webhook-signature of a body as it is sent over the wire, compressed if it is,
// by the Standard Webhooks specification.
func Sign(key []byte, id, timestamp string, body []byte) string {
	return "v1," + base64.StdEncoding.EncodeToString(mac(key, id, timestamp, body))
}

func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// parseKey reads the sluice-key header, SITE.N. A site's id may have dots.
func parseKey(header string) (from sender, ok bool) {
	at := strings.LastIndexByte(header, '.')
	if at < 1 || len(header) > 100 {
		return from, false
	}
	n, err := strconv.ParseUint(header[at+1:], 10, 31)
	return sender{header[:at], int(n)}, err == nil && n > 0 && header[at+1] != '0'
}

const (
	idBytesMax    = 256
	signaturesMax = 10 // in one header: one for each secret of the sender
)

// verify says whether a body is signed with the key, and how far the sender's clock is ahead.
func verify(key []byte, h http.Header, body []byte, now time.Time) (skew time.Duration, r *refusal) {
	id, timestamp, signatures := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature")
	if id == "" || timestamp == "" || signatures == "" || len(id) > idBytesMax {
		return 0, refuse(signatureMissing, "a batch has the headers webhook-id, webhook-timestamp and webhook-signature; docs/ingest.md has an example to compare with")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return 0, refuse(timeMalformed, "webhook-timestamp: %q is not a time in Unix seconds", clip(timestamp))
	}
	want := mac(key, id, timestamp, body)
	good := false
	for i, one := range strings.Fields(signatures) {
		text, isV1 := strings.CutPrefix(one, "v1,")
		given, err := base64.StdEncoding.DecodeString(text)
		good = i < signaturesMax && isV1 && err == nil && hmac.Equal(given, want) || good
	}
	if !good {
		return 0, refuse(signatureWrong, "the signature is not that of webhook-id, webhook-timestamp and this body; docs/ingest.md has an example to compare with, step by step")
	}
	skew = time.Unix(seconds, 0).Sub(now)
	if skew.Abs() > SkewMax {
		return skew, refuse(timeOff, "the batch was signed at %s and it is %s; set the sender's clock, and sign each attempt anew",
			time.Unix(seconds, 0).UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return skew, nil
}
