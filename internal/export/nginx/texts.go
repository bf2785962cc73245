package nginx

// visitText tells the facts of a visit that every export needs. Names of captures are nginx's
// variables too, so each is used for one thing.
var visitText = `# The visit.
map $request_method $sluice_logged { default 0; GET 1; HEAD 1; }
map $request_uri $sluice_path { default ""; "~^(?<sluice_raw_path>[^?]*)" $sluice_raw_path; }
map $msec $sluice_ts { default 0; "~^(?<sluice_seconds>[0-9]+)" $sluice_seconds; }
# 24 characters: z, twelve digits of the milliseconds behind the leading 1, and eleven of the request's id.
map "$msec $request_id" $sluice_id {
	default "";
	"~^1(?<sluice_id_s>[0-9]{9})\\.(?<sluice_id_ms>[0-9]{3}) (?<sluice_id_r>.{11})" "z$sluice_id_s$sluice_id_ms$sluice_id_r";
	"~^2(?<sluice_id_s>[0-9]{9})\\.(?<sluice_id_ms>[0-9]{3}) (?<sluice_id_r>.{11})" "y$sluice_id_s$sluice_id_ms$sluice_id_r";
}
# Declared bots get no click id.
map $sluice_bot $sluice_cid { default $sluice_id; 1 ""; }

# The visitor. Bots and those who ask not to be followed get no cookie.
map "$sluice_bot|$http_dnt|$http_sec_gpc" $sluice_untracked {
	default "";
	"||" "";
	"~^1\\||\\|1\\||\\|1$" 1;
}
map $cookie_sluice_v $sluice_seen { default ""; "~^[0-9a-hjkmnp-tv-z]{16}$" $cookie_sluice_v; }
map $request_id $sluice_fresh { default ""; "~^.{11}(?<sluice_fresh_id>.{16})" $sluice_fresh_id; }
map $sluice_seen $sluice_cookie_id { default $sluice_seen; "" $sluice_fresh; }
map $sluice_untracked $sluice_visitor { default $sluice_cookie_id; 1 ""; }
map $cookie_sluice $sluice_signed { default ""; "~^(?<sluice_signed_id>[A-Za-z0-9_-]{16})[A-Za-z0-9_-]{26}" $sluice_signed_id; }
map "$sluice_untracked|$sluice_seen$sluice_signed" $sluice_returning { default 1; "|" ""; "~^1\\|" ""; }
# Who shares are dealt to: the signed cookie of a Sluice server begins with its key and the visitor, which stay.
map $sluice_signed $sluice_who_tracked { default $sluice_signed; "" $sluice_visitor; }
map $sluice_untracked $sluice_who { default $sluice_who_tracked; 1 "$remote_addr$http_user_agent"; }
map $https $sluice_secure { default ""; on "; Secure"; }
map "$sluice_outcome|$sluice_untracked|$sluice_link" $sluice_set_cookie {
	default "";
	"~^(?:redirect|fallback|default)\\|\\|[0-9]" "sluice_v=$sluice_cookie_id; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax$sluice_secure";
}
map $sluice_to $sluice_referrer_policy { default "no-referrer-when-downgrade"; "" ""; }
map $sluice_to $sluice_sniffing { default ""; "" "nosniff"; }

# Names: without the punctuation that editors glue to the end, and in two parts, link and partner.
map $uri $sluice_trimmed { default ""; "~(?s)^(?<sluice_trimmed_uri>.*?)[]/.,;:!?'\")}>_~-]+$" $sluice_trimmed_uri; }
map $uri $sluice_head { default ""; "~(?s)^(?<sluice_head_uri>/.*?)[]/.,;:!?'\")}>_~-]*/[0-9a-zA-Z\\x80-\\xff](?:[0-9a-zA-Z\\x80-\\xff._~-]*[0-9a-zA-Z\\x80-\\xff])?[]/.,;:!?'\")}>_~-]*$" $sluice_head_uri; }
map $uri $sluice_segment { default ""; "~(?s)/(?<sluice_last_segment>[0-9a-zA-Z\\x80-\\xff](?:[0-9a-zA-Z\\x80-\\xff._~-]*[0-9a-zA-Z\\x80-\\xff])?)[]/.,;:!?'\")}>_~-]*$" $sluice_last_segment; }

# The host of the referrer.
map $http_referer $sluice_referrer_host {
	default "";
	"~^[^/?#]*:\\/\\/(?:[^/?#]*@)?(?<sluice_ref>\\[[^/?#]*\\]|[^/?#]*?)\\.?(?::[^:/?#\\]]*)?(?:[/?#]|$)" $sluice_ref;
}
map $sluice_referrer_host $sluice_referrer_name { default ""; "~^[a-z0-9._-]{1,256}$" $sluice_referrer_host; }

# The preferred language: the first tag of weight 1, else of the most tenths.
map $http_accept_language $sluice_language {
	default "";
	"~` + languageHead + `(?:;(?![ \\t]*[qQ]=(?=[0-9.])0*(?:\\.[0-9]*)?[ \\t]*(?:,|$))[^,]*)?(?:,|$)" $sluice_tag;
` + languageTenths + `}
`

// languageHead matches up to a tag; what follows says its weight.
const languageHead = `^(?:[^,]*,)*?[ \\t]*(?!\\*[ \\t]*(?:[;,]|$))(?<sluice_tag>[^,; \\t](?:[^,;]*[^,; \\t])?)[ \\t]*`

var languageTenths = func() (s string) {
	for _, digits := range []string{"9", "8", "7", "6", "5", "4", "3", "2", "1", "0[0-9]*[1-9]"} {
		s += "\t\"~" + languageHead + `;[ \\t]*[qQ]=0*\\.` + digits + `[0-9]*[ \\t]*(?:,|$)" $sluice_tag;` + "\n"
	}
	return s
}()

// partnerText credits a partner, and says why.
const partnerText = `map $sluice_named $sluice_asked { default $sluice_named; "" $sluice_param_partner; }
map $sluice_flags $sluice_paying { default $sluice_program; c ""; }
map $sluice_own $sluice_own_active { default $sluice_own; "!" ""; }
map $sluice_partners $sluice_partner { default $sluice_own_active; "~^\\+(?<sluice_credited>.*)$" $sluice_credited; }
map "$sluice_partners $sluice_own" $sluice_why_partner {
	default "";
	" " "";
	"~^\\+" "partner,";
	"~^\\? ?!?$" "partner_unknown,$sluice_why_own";
	"~^\\?" "partner_unknown,$sluice_why_own";
	"~^! !$" "partner_paused,";
	"~^!" "partner_paused,$sluice_why_own";
	"~^ ." $sluice_why_own;
}
map $sluice_own $sluice_why_own { default "partner_default,"; "" ""; "!" "partner_paused,"; }

# Why, as names with commas between.
map "$sluice_bot|$sluice_flags|$sluice_link" $sluice_why_bot { default ""; "~^1\\|b\\|." "decoy,blocked,"; "~^1\\|\\|." "decoy,"; }
map "$sluice_outcome $sluice_why $args" $sluice_why_page { default ""; "~^redirect (?!\\S*deep_link,)\\S* (?:(?!url(?:[=&]|$))[^&]*&)*+url=[^&]" "deep_link_refused,"; }
map "$sluice_why_partner$sluice_why$sluice_why_page$sluice_why_bot" $sluice_why_all { default ""; "~^(?<sluice_why_names>.*),$" $sluice_why_names; }
`

// logFormat is the click as it travels: see docs/nginx.md.
const logFormat = `
log_format sluice escape=json '{"id":"$sluice_id","host":"$http_host","path":"$sluice_path","query":"$args","method":"$request_method","proto":"$server_protocol","scheme":"$scheme",'
	'"site":"$sluice_site_id","slug":"$sluice_slug","link":"$sluice_link","program":"$sluice_program","partner":"$sluice_partner","variant":"$sluice_variant","rule":"$sluice_rule","page":"$sluice_page",'
	'"outcome":"$sluice_outcome","code":"$sluice_code","why":"$sluice_why_all","url":"$sluice_to","visitor":"$sluice_visitor","returning":"$sluice_returning",'
	'"ip":"$remote_addr","agent":"$http_user_agent","referrer":"$http_referer","language":"$http_accept_language","country":"$sluice_country","accept":"$http_accept",'
	'"dnt":"$http_dnt","gpc":"$http_sec_gpc","sec_purpose":"$http_sec_purpose","purpose":"$http_purpose","x_purpose":"$http_x_purpose","x_moz":"$http_x_moz",'
	'"fetch_dest":"$http_sec_fetch_dest","fetch_mode":"$http_sec_fetch_mode","fetch_site":"$http_sec_fetch_site","fetch_user":"$http_sec_fetch_user",'
	'"hints":"$http_sec_ch_ua","hint_mobile":"$http_sec_ch_ua_mobile"}';
`

// steps answer one visit. Each look-up is in the same map; a link with one answer for all takes the first only.
const steps = `	default_type "text/html; charset=utf-8";
	uninitialized_variable_warn off;
	access_log %s sluice if=$sluice_logged;
	add_header Cache-Control "no-store" always;
	add_header X-Robots-Tag "noindex" always;
	add_header Referrer-Policy $sluice_referrer_policy always;
	add_header X-Content-Type-Options $sluice_sniffing always;
	add_header Set-Cookie $sluice_set_cookie always;
	if ($sluice_logged = 0) { return 405; }
	set $sluice_named "";
	set $sluice_key "$sluice_site$uri";
	set $sluice_entry $sluice_links;
	# The name as editors leave it, and with a partner behind it.
	if ($sluice_entry = "") {
		set $sluice_key "$sluice_site$sluice_trimmed";
		set $sluice_entry $sluice_links;
	}
	if ($sluice_entry = "") {
		set $sluice_named $sluice_segment;
		set $sluice_key "$sluice_site$sluice_head";
		set $sluice_entry $sluice_links;
	}
	set $sluice_stray "$sluice_named $sluice_entry";
	if ($sluice_stray ~ "^\\S+ (?:=[0-9]*\\|[^|]*|\\?[0-9]+)\\|\\|") { set $sluice_entry ""; }
	if ($sluice_entry = "") { set $sluice_named ""; }
	if ($sluice_entry = "") { set $sluice_entry $sluice_unknown; }
	# Rules, shares, the shares of those whose destination is down, and the page that is chosen.
	if ($sluice_entry ~ "^\\?(?<sluice_link>[0-9]+)\\|(?<sluice_program>[^|]*)\\|(?<sluice_own>[^|]*)\\|(?<sluice_choice>.*)$") {
		set $sluice_key "?$sluice_link|$sluice_choice";
		set $sluice_entry $sluice_links;
	}
	if ($sluice_entry ~ "^#(?<sluice_share>.*)$") {
		set $sluice_key "?$sluice_link|$sluice_choice|$sluice_share";
		set $sluice_entry $sluice_links;
	}
	if ($sluice_entry ~ "^#(?<sluice_share>.*)$") {
		set $sluice_key "?$sluice_link|$sluice_choice|$sluice_share";
		set $sluice_entry $sluice_links;
	}
	if ($sluice_entry ~ "^#(?<sluice_share>.*)$") {
		set $sluice_key "?$sluice_link|$sluice_choice|$sluice_share";
		set $sluice_entry $sluice_links;
	}
	if ($sluice_entry ~ "^=(?<sluice_link>[0-9]*)\\|(?<sluice_slug>[^|]*)\\|(?<sluice_program>[^|]*)\\|(?<sluice_own>[^|]*)\\|(?<sluice_variant>[^|]*)\\|(?<sluice_rule>[^|]*)\\|(?<sluice_page>[^|]*)\\|(?<sluice_outcome>[^|]*)\\|(?<sluice_code>[0-9]*)\\|(?<sluice_flags>[^|]*)\\|(?<sluice_why>[^|]*)\\|(?<sluice_to>.*)$") { set $sluice_entry ""; }
	if ($sluice_to ~ "^(?<sluice_before>[^<]*)<c>(?<sluice_behind>.*)$") { set $sluice_to "$sluice_before$sluice_cid$sluice_behind"; }
	set $sluice_entry "$sluice_bot$sluice_flags";
	if ($sluice_entry = "1b") {
		set $sluice_outcome block;
		set $sluice_code 403;
		set $sluice_variant "";
		set $sluice_rule "";
		set $sluice_why "";
		set $sluice_to "";
	}
	if ($sluice_code = 403) { return 403 "%s"; }
	if ($sluice_code = 404) { return 404 "%s"; }
	if ($sluice_code = 301) { return 301 $sluice_to; }
	if ($sluice_code = 307) { return 307 $sluice_to; }
	if ($sluice_code = 308) { return 308 $sluice_to; }
	return 302 $sluice_to;
`

// What visitors see who cannot be sent anywhere.
const (
	pageHead    = `<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width><title>`
	pageMissing = pageHead + `This link leads nowhere</title><h1>This link leads nowhere</h1><p>It may have been mistyped, or it is no longer offered.</p></html>`
	pageBlocked = pageHead + `This link is for people</title><h1>This link is for people</h1><p>Automatic requests are not served here.</p></html>`
)
