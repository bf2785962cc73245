package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// certificatesMax bounds how many certificates, and how many domains, one process
// looks after.
const certificatesMax = 100

// tls checks what can be known without opening a file; the certificates themselves
// are read when the server starts.
func (v *check) tls(c *Config) {
	t := &c.TLS
	v.tlsListen(c)
	if len(t.Certificates) > certificatesMax {
		v.fault("tls.certificates", "there are %d; at most %d can be kept", len(t.Certificates), certificatesMax)
	}
	for i, pair := range t.Certificates {
		at := fmt.Sprintf("tls.certificates[%d]", i)
		if pair.Cert == "" {
			v.fault(at, "name the file of the certificate: cert")
		}
		if pair.Key == "" {
			v.fault(at, "name the file of the key: key")
		}
	}
	v.acme(&t.ACME)
	between(v, "tls.hsts", t.HSTS, 0, 730*Day)
	between(v, "tls.connections", t.Connections, 1, 1_000_000)
}

func (v *check) tlsListen(c *Config) {
	t := &c.TLS
	some := len(t.Certificates) > 0 || len(t.ACME.Domains) > 0
	switch {
	case t.Listen == "" && some:
		v.fault("tls.listen", "there are certificates and nowhere to show them: give the address for HTTPS, such as :443")
	case t.Listen == "":
	case !some:
		v.fault("tls.listen", "there is no certificate: name files in tls.certificates, or names of hosts in tls.acme.domains")
	default:
		v.address("tls.listen", t.Listen)
		if (t.Listen == c.Listen || t.Listen == c.Admin) && !strings.HasSuffix(t.Listen, ":0") {
			v.fault("tls.listen", "%s is taken by listen or admin: give HTTPS a port of its own", t.Listen)
		}
	}
}

func (v *check) acme(a *ACME) {
	if len(a.Domains) > certificatesMax {
		v.fault("tls.acme.domains", "there are %d; at most %d can be kept", len(a.Domains), certificatesMax)
	}
	for _, domain := range a.Domains {
		if fault := domainFault(domain); fault != "" {
			v.fault("tls.acme.domains", "%q %s", domain, fault)
		}
	}
	if a.Email != "" && !strings.Contains(strings.Trim(a.Email, "@"), "@") {
		v.fault("tls.acme.email", "%q is not an address of electronic mail", a.Email)
	}
	u, err := url.Parse(a.Directory)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		v.fault("tls.acme.directory", "%q is not an ACME directory; write its address like https://acme-v02.api.letsencrypt.org/directory", a.Directory)
	}
}

// domainFault says why no certificate can be asked for a name, or "".
func domainFault(name string) string {
	if strings.HasPrefix(name, "*.") {
		return "stands for many names; authorities give such certificates for a DNS record only: obtain it elsewhere and name its files in tls.certificates"
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "is an address; name the host"
	}
	if len(name) > 253 || !strings.Contains(name, ".") {
		return "is not the whole name of a host, such as go.example.com"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return "is not the name of a host, such as go.example.com"
		}
		for _, c := range label {
			if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return "has a character that names of hosts do not have; write it as browsers send it, such as xn--bcher-kva.example"
			}
		}
	}
	return ""
}

func (v *check) token(token string) {
	if token == "" {
		return
	}
	if len(token) < 16 || len(token) > 512 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		v.fault("metrics.token", "it must have 16 to 512 letters, digits or signs without spaces; make one with: openssl rand -hex 24")
	}
}
