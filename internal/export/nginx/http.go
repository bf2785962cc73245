package nginx

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/useragent"
)

// writeHTTP writes what belongs into http { }: sizes, the map of links, and what it refers to.
func (t *Target) writeHTTP(b *bufio.Writer, w *writer, links io.Reader) error {
	say := func(s string) { _, _ = b.WriteString(s) } // the writer keeps its first error
	say("# Made by sluice export nginx; changes are overwritten. Include it in http { }.\n\n")
	say(w.keys.directives("map"))
	say(fmt.Sprintf("variables_hash_max_size %d;\nvariables_hash_bucket_size 128;\n", max(variablesRoom, 8*w.variables)))
	say("\n# A dollar cannot be written where variables are.\ngeo $sluice_dollar { default \"$\"; }\n\n")
	say(t.visitMaps())
	say(deviceMaps())
	say(w.siteMaps())
	say(w.partnerMaps())
	say(logFormat)
	say("\n# What links share: conditions, rules, weights, parameters.\n")
	_, _ = b.Write(w.blocks)
	say("\n# The links. It is asked again for each step of an answer, so it may not be remembered.\nmap $sluice_key $sluice_links {\n\tvolatile;\n\tdefault \"\";\n")
	if _, err := io.Copy(b, links); err != nil {
		return err
	}
	say("}\n")
	return b.Flush()
}

// variablesRoom is where there is room for nginx's own variables and those of every export.
const variablesRoom = 4096

// visitMaps are the facts of a visit.
func (t *Target) visitMaps() string {
	var b strings.Builder
	b.WriteString(visitText)
	source := t.options.CountryVariable
	if t.options.CountryHeader != "" {
		source = "$http_" + strings.ReplaceAll(strings.ToLower(t.options.CountryHeader), "-", "_")
	}
	if source == "" {
		b.WriteString("\n# No country is known: see --country-header and --country-variable.\nmap \"\" $sluice_country { default \"\"; }\n")
		return b.String()
	}
	b.WriteString("\n# The country, in capitals; what is not two letters is unknown.\nmap " + source + " $sluice_country {\n\tdefault \"\";\n")
	for x := 'A'; x <= 'Z'; x++ {
		b.WriteByte('\t')
		for y := 'A'; y <= 'Z'; y++ {
			fmt.Fprintf(&b, "%c%c %c%c; ", x, y, x, y)
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	return b.String()
}

// deviceMaps tell who declares to be a bot, and the class of the device.
var deviceMaps = sync.OnceValue(func() string {
	var b []byte
	b = append(b, "\n# Bots that say so.\n"...)
	m := newMap("$http_user_agent", "sluice_bot", "")
	m.key("", "")
	m.expression("~", useragent.PlainBrowser, "")
	for _, p := range useragent.DeclaredBots() {
		m.expression("~*", p, "1")
	}
	b = m.appendTo(b)
	before, after := useragent.DevicePatterns()
	class := func(name, fallback string, list []useragent.Pattern) {
		m := newMap("$http_user_agent", name, fallback)
		if strings.HasPrefix(fallback, "$") {
			m.fallback = fallback
		}
		for _, p := range list {
			m.expression("~*", p.Text, p.Device.String())
		}
		b = m.appendTo(b)
	}
	b = append(b, "\n# The class of the device.\n"...)
	class("sluice_device", "$sluice_device_hinted", before)
	b = append(b, "map $http_sec_ch_ua_mobile $sluice_device_hinted {\n\tdefault $sluice_device_system;\n\t\"?1\" phone;\n}\n"...)
	class("sluice_device_system", affiliate.OtherDevice.String(), after)
	return string(b)
})

// siteMaps tell the site of a host, and what its unknown names get.
func (w *writer) siteMaps() string {
	byHost, anyHost := map[string]int{}, ""
	for _, s := range w.siteList {
		if len(s.Hosts) == 0 && anyHost == "" {
			anyHost = strconv.Itoa(s.number)
		}
		for _, h := range s.Hosts {
			if _, taken := byHost[h]; !taken {
				byHost[h] = s.number
			}
		}
	}
	hosts := newMap("$host", "sluice_site", anyHost)
	for _, h := range slices.Sorted(maps.Keys(byHost)) {
		hosts.key(h, strconv.Itoa(byHost[h]))
	}
	ids := newMap("$sluice_site", "sluice_site_id", "")
	prefixes := newMap("$sluice_site", "sluice_prefix", "")
	unknown := newMap(`"$sluice_under$sluice_site"`, "sluice_unknown", "=|||||||not_found|404||unknown_host,|") // fields as in record
	unknown.expression("~", "^[0-9]", "=|||||||not_found|404||unknown_name,|")
	for _, s := range w.siteList {
		n := strconv.Itoa(s.number)
		ids.key(n, s.ID)
		prefixes.key(n, s.Prefix)
		outcome, code, url := s.missing()
		v := append(value{}.with("=|||||||"+outcome+"|"+strconv.Itoa(code)+"||unknown_name,|"), url...)
		unknown.line(word(nil, "u"+n), values(nil, w.fit(joinTexts(v))))
	}
	b := []byte("\n# Sites by host, and what unknown names get.\n")
	b = prefixes.appendTo(ids.appendTo(hosts.appendTo(b)))
	b = append(b, "# Below the site's prefix, and at the root of its host, is what it answers for.\nmap \"$sluice_prefix|$uri\" $sluice_under { default \"\"; \"~*^(?<sluice_pre>.*)/\\\\|(?:\\\\k<sluice_pre>(?:/|$)|/$)\" u; }\n"...)
	return string(unknown.appendTo(b))
}

// partnerMaps tell which partner a visit names: "+CODE" one who is credited, "!" one who is not
// active, "?" one that the program does not know, "" none.
func (w *writer) partnerMaps() string {
	params := newMap("$sluice_program", "sluice_param_partner", "")
	var b []byte
	b = append(b, "\n# Partners.\n"...)
	done := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(w.programs)) {
		param := w.programs[id].PartnerParam
		name, ok := done[param]
		if !ok {
			name = "sluice_named_by_" + strconv.Itoa(len(done))
			done[param] = name
			m := newMap("$args", name, "")
			m.line(pattern(nil, "~", firstParam(param)+"=(?<sluice_code_asked>[^&]*)"), []byte("$sluice_code_asked"))
			b = m.appendTo(b)
		}
		params.line(word(nil, id), []byte("$"+name))
	}
	b = params.appendTo(b)
	known := newMap(`"$sluice_paying|$sluice_asked"`, "sluice_partners", "?")
	for _, key := range slices.Sorted(maps.Keys(w.partners)) {
		_, code, _ := strings.Cut(key, "|")
		switch w.partners[key] {
		case affiliate.Paused, affiliate.Archived:
			known.key(key, inactive)
		default:
			known.key(key, "+"+code)
		}
	}
	known.expression("~", `^\||\|$`, "")
	b = known.appendTo(b)
	return string(append(b, partnerText...))
}
