// Sluice on a merchant's pages: keeps click ids first-party, reports orders. See docs/postbacks.md.
(() => {
  const me = document.currentScript, { token, param = "click_id", days = 30, domain } = me.dataset;
  const name = "sluice_clicks", life = Math.min(+days || 30, 400) * 864e5;
  const digits = "0123456789abcdefghjkmnpqrstvwxyz";
  const attempt = f => { try { return f() || ""; } catch (e) { return ""; } };
  // A click id begins with its time: 48 bits of milliseconds in base 32.
  const madeAt = id => [...id.slice(0, 10)].reduce((n, c) => n * 32 + digits.indexOf(c), 0) / 4;
  const valid = id => /^[0-9a-hjkmnp-tv-z]{24}$/.test(id) && Date.now() - madeAt(id) <= life;
  const cookie = () => (document.cookie.match("(?:^|; )" + name + "=([^;]*)") || [])[1];
  const clicks = first => [...new Set([first || "", attempt(cookie), attempt(() => localStorage[name])]
    .join(".").toLowerCase().split(".").filter(valid))].sort().reverse().slice(0, 5);

  const arrived = attempt(() => new URLSearchParams(location.search).get(param));
  if (arrived) {
    const list = clicks(arrived).join(".");
    if (list) {
      attempt(() => document.cookie = name + "=" + list + "; path=/; max-age=" + life / 1e3 +
        "; SameSite=Lax; Secure" + (domain ? "; domain=" + domain : ""));
      attempt(() => localStorage[name] = list);
    }
  }

  window.sluice = {
    clicks: () => clicks(),
    order(o) {
      const order = Object.assign({ txid: o.id }, o, { touches: clicks(), via: "script" });
      delete order.id;
      // 19.99 * 3 is 59.97000000000001 in JavaScript.
      if (typeof o.amount == "number") order.amount = "" + +o.amount.toFixed(4);
      const body = JSON.stringify(order);
      // A string goes as text/plain, which needs no preflight from another origin.
      const url = new URL("/postback/" + token, me.src).href;
      attempt(() => navigator.sendBeacon(url, body)) ||
        attempt(() => fetch(url, { method: "POST", body, keepalive: true, mode: "no-cors" }).catch(() => {}));
    },
  };
})();
