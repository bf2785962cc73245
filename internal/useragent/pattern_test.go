package useragent

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// Whoever matches PlainBrowser is no bot, and most people match.
func TestPlainBrowser(t *testing.T) {
	plain := regexp.MustCompile(PlainBrowser)
	b, err := os.ReadFile("../../testdata/devices.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []struct{ UA string } }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	matched := 0
	for _, c := range file.Cases {
		if plain.MatchString(c.UA) {
			matched++
			if IsBot(c.UA) {
				t.Errorf("%q is a bot", c.UA)
			}
		}
	}
	if matched < 5 {
		t.Errorf("%d of %d user agents match", matched, len(file.Cases))
	}
	for _, ua := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
	} {
		if !plain.MatchString(ua) || IsBot(ua) {
			t.Errorf("%q does not match, or is a bot", ua)
		}
	}
	for _, ua := range []string{
		"Mozilla/5.0 (Linux; Android 10; Cubot) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 bot",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/131.0.0.0 Safari/537.36",
	} {
		if plain.MatchString(ua) {
			t.Errorf("%q matches", ua)
		}
	}
}
