package load

import (
	"fmt"
	"math/rand/v2"
)

// browsers is how many different ones visit.
const browsers = 256

// makeBrowsers returns what browsers send after the first line of a request, up to
// the end of their Cookie header, about 900 bytes each: Chrome on a desk and on a
// phone, Firefox, and Safari on a phone, in many versions, from many pages.
func makeBrowsers(random *rand.Rand) [][]byte {
	all := make([][]byte, browsers)
	for i := range all {
		all[i] = []byte(browser(i, random.IntN))
	}
	return all
}

func browser(kind int, n func(int) int) string {
	page := fmt.Sprintf("https://www.blog.example/%d/%02d/the-%d-best-things-for-the-kitchen-and-the-desk-of-the-year/", 2018+n(8), 1+n(12), 5+n(90))
	language := [...]string{"de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "en-GB,en;q=0.9", "fr-FR,fr;q=0.9,en;q=0.8", "es-ES,es;q=0.9,en;q=0.8", "en-US,en;q=0.9"}[n(5)]
	cookies := fmt.Sprintf("_ga=GA1.1.%d.%d; _ga_7XK2P9QW1Z=GS2.1.s%d$o%d$g1$t%[3]d$j60$l0$h0; _fbp=fb.1.%d.%d; consent=eyJhIjp0cnVlLCJtIjp0cnVlLCJ2IjozfQ; theme=dark",
		1e9+n(1e9), 1730000000+n(3e7), 1760000000+n(3e6), n(90), 1730000000000+n(3e8), 1e8+n(9e8))
	fetch := "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
	version := 118 + n(26)
	switch kind % 4 {
	case 0, 1:
		system, platform, mobile, tail := "Windows NT 10.0; Win64; x64", "Windows", "?0", ""
		if kind%4 == 1 {
			system, platform, mobile, tail = "Linux; Android 10; K", "Android", "?1", " Mobile"
		}
		return "Host: links.example\r\nConnection: keep-alive\r\n" +
			fmt.Sprintf("sec-ch-ua: \"Chromium\";v=\"%d\", \"Google Chrome\";v=\"%[1]d\", \"Not_A Brand\";v=\"99\"\r\nsec-ch-ua-mobile: %s\r\nsec-ch-ua-platform: \"%s\"\r\n", version, mobile, platform) +
			"Upgrade-Insecure-Requests: 1\r\n" +
			fmt.Sprintf("User-Agent: Mozilla/5.0 (%s) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0%s Safari/537.36\r\n", system, version, tail) +
			"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n" +
			fetch + "Referer: " + page + "\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: " + language + "\r\nCookie: " + cookies
	case 2:
		return "Host: links.example\r\n" +
			fmt.Sprintf("User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:%d.0) Gecko/20100101 Firefox/%[1]d.0\r\n", version) +
			"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: " + language +
			"\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nReferer: " + page + "\r\nConnection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n" +
			fetch + "Priority: u=0, i\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n" +
			"Cookie: _pk_id.3.9d1f=8f2c6a7be0d94c1b.1730000000.; _pk_ses.3.9d1f=1; session=" + fmt.Sprintf("%064x", n(1e9)) + "; " + cookies
	}
	return "Host: links.example\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		fetch + fmt.Sprintf("User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS %d_%d like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/%[1]d.%[2]d Mobile/15E148 Safari/604.1\r\n", 15+n(4), n(7)) +
		"Accept-Language: " + language + "\r\nReferer: " + page + "\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nPriority: u=0, i\r\n" +
		"Cookie: session=" + fmt.Sprintf("%064x", n(1e9)) + "; euconsent=CPzqA4APzqA4AAGABCDEDLCgAAAAAAAAAAYgAAAAAAAA; " + cookies
}
