package useragent

import "testing"

func TestToolsAreTellable(t *testing.T) {
	for ua, want := range map[string]bool{
		"curl/8.5.0":             true,
		"Go-http-client/1.1":     true,
		"python-requests/2.32.3": true,
		"Wget/1.21.3":            true,
		"python-requests/2.32.3 (+https://example.com/bot)":                        false,
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": false,
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":   false,
		"sqlmap/1.7": false,
		"":           false,
	} {
		if _, isTool := Classify(ua, ""); isTool != want {
			t.Errorf("%q: tool %v, want %v", ua, isTool, want)
		}
	}
}
