package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/config"
)

// engines looks at the servers that the configuration names. While Sluice runs, it says itself
// what is wrong with them; otherwise there is only to be seen whether somebody answers.
func (d *doctor) engines(ctx context.Context) {
	if d.running {
		return
	}
	for _, e := range []struct {
		room   string
		engine config.Engine
		url    string
	}{
		{"store", d.config.Store.Engine, d.config.Store.URL}, {"queue", d.config.Queue.Engine, d.config.Queue.URL},
		{"analytics", d.config.Analytics.Engine, d.config.Analytics.URL}, {"distribution", d.config.Distribution.Engine, d.config.Distribution.URL},
	} {
		if e.url == "" {
			continue
		}
		var silent []string
		all := hostsOf(e.url)
		for _, host := range all {
			dialer := net.Dialer{Timeout: 3 * time.Second}
			conn, err := dialer.DialContext(ctx, "tcp", host)
			if err != nil {
				silent = append(silent, err.Error())
				continue
			}
			_ = conn.Close() // nothing was sent
		}
		name := string(e.engine)
		switch {
		case len(silent) == len(all):
			d.add(e.room, checkFail, fmt.Sprintf("%s does not answer: %s", name, strings.Join(silent, "; ")), "start it, or correct "+e.room+".url")
		case len(silent) > 0:
			d.add(e.room, checkWarn, fmt.Sprintf("%s: %d of %d servers do not answer: %s", name, len(silent), len(all), strings.Join(silent, "; ")), "start them")
		default:
			d.add(e.room, checkOK, fmt.Sprintf("%s answers at %s; it is examined while Sluice runs", name, strings.Join(all, ", ")), "")
		}
	}
}

// defaultPorts are those of addresses that name none.
var defaultPorts = map[string]string{"postgres": "5432", "postgresql": "5432", "amqp": "5672", "amqps": "5671", "kafka": "9092", "kafkas": "9092",
	"clickhouse": "9000", "clickhouses": "9440"}

// hostsOf are the servers in an address of one or several.
func hostsOf(url string) (hosts []string) {
	scheme, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, "?")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	for host := range strings.SplitSeq(rest, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(host, defaultPorts[scheme])
		}
		hosts = append(hosts, host)
	}
	return hosts
}

// nodes tells who else is there.
func (d *doctor) nodes() {
	if d.status == nil {
		return
	}
	if s := d.status.Shipper; s != nil {
		d.add("broker", checkOK, plural(s.Records, "click")+" of this node on the way there", "")
	}
	newest := int64(0)
	for _, n := range d.status.Nodes {
		newest = max(newest, n.TableSeq)
	}
	for _, n := range d.status.Nodes {
		text := fmt.Sprintf("%s, version %s, %s waiting, clock %+.1f s", n.Address, n.Version, plural(n.Waiting, "click"), n.SkewSeconds)
		switch {
		case n.Alarms > 0:
			d.add("node "+n.Name, checkWarn, text+", "+plural(int64(n.Alarms), "alarm"), "look there: curl http://"+n.Address+"/healthz")
		case n.Role == "redirect" && n.TableSeq < newest:
			d.add("node "+n.Name, checkWarn, fmt.Sprintf("%s, links up to change %d of %d", text, n.TableSeq, newest), "it follows within moments; look there if it does not")
		default:
			d.add("node "+n.Name, checkOK, text, "")
		}
	}
}
