package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sluicehq/sluice/internal/certificate"
)

// tls looks at the certificates that are kept in files. Those that an authority
// gives are the running server's matter, which raises an alarm.
func (d *doctor) tls() {
	t := &d.config.TLS
	if t.Listen == "" {
		return
	}
	if !d.running {
		d.free("tls.listen", t.Listen)
	}
	for _, pair := range t.Certificates {
		d.certificate(certificate.Pair(pair))
	}
}

func (d *doctor) certificate(pair certificate.Pair) {
	const check = "certificate"
	k, err := certificate.Open(certificate.Options{Files: []certificate.Pair{pair}})
	if err != nil {
		remedy := "correct tls.certificates"
		if errors.Is(err, fs.ErrPermission) {
			remedy = "run this as the user who runs Sluice, or let that user read it"
		}
		d.add(check, checkFail, err.Error(), remedy)
		return
	}
	s, now := k.States()[0], d.p.now()
	text := fmt.Sprintf("%s, until %s", s.Name, s.Expires.UTC().Format("2006-01-02 15:04 UTC"))
	info, err := os.Stat(pair.Key)
	switch {
	case now.After(s.Expires):
		d.add(check, checkFail, text+": it has ended", "replace "+pair.Cert+"; a running server takes the new one by itself")
	case s.Due(now):
		d.add(check, checkWarn, fmt.Sprintf("%s: %s left", text, s.Expires.Sub(now).Round(time.Minute)), "replace "+pair.Cert+"; a running server takes the new one by itself")
	case err == nil && info.Mode().Perm()&0o007 != 0:
		d.add(check, checkFail, fmt.Sprintf("%s: everybody can read its key %s (%s)", text, pair.Key, info.Mode().Perm()), "chmod 600 "+pair.Key)
	default:
		d.add(check, checkOK, text, "")
	}
}
