package load

import (
	"strconv"
	"strings"
)

// A portfolio is links numbered from 0. What one is called and where it leads
// follows from its number, so that whoever makes links and whoever clicks them need
// no list in common.

var (
	products   = strings.Fields("espresso-machine standing-desk running-shoes noise-cancelling-headphones cast-iron-pan usb-c-hub hiking-backpack robot-vacuum mirrorless-camera baby-monitor air-fryer travel-pillow")
	adjectives = strings.Fields("review deal 2026 best vs-the-rest guide black-friday mini pro first-look")
)

// Product is what a link is about.
func Product(n int) string { return products[n%len(products)] }

// AppendSlug appends the name of a link. Names come in no order, as those of a
// portfolio that has grown for years.
func AppendSlug(b []byte, n int) []byte {
	hash := uint32(n) * 2654435761
	b = append(append(b, products[hash%uint32(len(products))]...), '-')
	b = append(append(b, adjectives[hash>>8%uint32(len(adjectives))]...), '-')
	return strconv.AppendInt(b, int64(n), 16)
}

// Slug is the name of a link.
func Slug(n int) string { return string(AppendSlug(nil, n)) }

// Target is where a link leads, as one of several networks writes it. {click_id}
// stands where the click's id belongs.
func Target(n int) string {
	return string(AppendTarget(nil, n, "{click_id}"))
}

// AppendCSV appends the first links as a file for an import.
func AppendCSV(b []byte, links int) []byte {
	b = append(b, "slug,url\n"...)
	for n := range links {
		b = AppendSlug(b, n)
		b = append(append(append(b, ','), Target(n)...), '\n')
	}
	return b
}

// AppendTarget appends where a link leads, with an id in its place.
func AppendTarget(b []byte, n int, id string) []byte {
	b = append(appendHead(b, n), id...)
	switch n % networks {
	case 0:
		return appendShop(append(b, "&ued="...), n)
	case 1:
		return appendShop(append(b, "&url="...), n)
	case 2:
		return appendShop(append(b, "&murl="...), n)
	case 4:
		return appendShop(append(b, "&u="...), n)
	}
	return b
}

// networks is how many ways of writing a click URL there are.
const networks = 6

// appendHead appends where a link leads, up to the click's id: what every answer
// for it begins with.
func appendHead(b []byte, n int) []byte {
	number := func(before string, v int) { b = strconv.AppendInt(append(b, before...), int64(v), 10) }
	switch n % networks {
	case 0:
		number("https://www.awin1.com/cread.php?awinmid=", 1000+n%900)
		return append(b, "&awinaffid=456789&clickref="...)
	case 1:
		number("https://www.anrdoezrs.net/click-", 7000000+n%90)
		number("-", 10000000+n)
		return append(b, "?sid="...)
	case 2:
		number("https://click.linksynergy.com/deeplink?id=AbCdEfGhIjK&mid=", 30000+n%700)
		return append(b, "&u1="...)
	case 3:
		number("https://www.ebay.de/itm/", 110000000000+n)
		number("?mkcid=1&mkrid=707-53477-19255-0&campid=53390", 10000+n%4000)
		return append(b, "&toolid=10001&customid="...)
	case 4:
		number("https://shop-", n%211)
		number(".sjv.io/c/1234567/", 100000+n%5000)
		number("/", 2000+n%800)
		return append(b, "?subId1="...)
	}
	number("https://www.shop-", n%211)
	number(".example/p/", n)
	number("?utm_source=blog&utm_medium=affiliate&ref=blog-", n%40)
	return append(b, "&sid="...)
}

// appendShop appends the page of a shop, written for a query.
func appendShop(b []byte, n int) []byte {
	b = strconv.AppendInt(append(b, "https%3A%2F%2Fwww.shop-"...), int64(n%211), 10)
	b = strconv.AppendInt(append(b, ".example%2Fp%2F"...), int64(n), 10)
	b = append(append(b, "%2F"...), Product(n)...)
	return strconv.AppendInt(append(b, "%3Fvariant%3D"...), int64(n%7), 10)
}
