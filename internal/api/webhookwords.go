package api

import "github.com/sluicehq/sluice/internal/webhook"

var (
	disabledField    = field{doc: "Nothing is sent. What happens meanwhile is not kept for it."}
	disabledWhyField = field{doc: "Why, where not a person has disabled it.", example: "it answered 410 Gone on 2026-11-27 10:00:00"}
)

var webhookFields = map[string]field{
	"id":               {doc: "Handle of the endpoint: letters, digits, - _ . as in other names. It cannot change.", example: "shop"},
	"url":              {doc: "Where events are sent to, by POST. https at a public address, unless the configuration allows more.", example: "https://shop.example/hook"},
	"events":           {doc: "Events that are sent. None: all.", example: []string{"conversion.approved"}, values: texts(webhook.Types)},
	"program":          {doc: "Program whose events are sent. Absent: all.", example: "acme"},
	"disabled":         disabledField,
	"disabled_why":     disabledWhyField,
	"old_secret_until": {doc: "Until when the secret before signs too; absent when it does not."},
	"version":          versionField,
	"secret":           {doc: "What messages are signed with. It is shown only here.", example: "whsec_…"},
}

var postbackFields = map[string]field{
	"program": {doc: "Program of the partner.", example: "acme"},
	"partner": {doc: "Code of the partner.", example: "mia"},
	"url": {doc: "Where events are sent to, by GET, with macros such as {click_id}, {commission} or {status} behind the host; docs/webhooks.md lists them.",
		example: "https://tracker.example/postback?cid={click_id}&payout={commission}"},
	"events":       {doc: "Events that are told. None: all of conversions.", example: []string{"conversion.approved"}, values: texts(webhook.ConversionTypes)},
	"disabled":     disabledField,
	"disabled_why": disabledWhyField,
	"version":      versionField,
}

// webhookWords are those of webhooks and postbacks.
var webhookWords = map[string]words{
	"Webhook":              {doc: "An endpoint that events are sent to, without its secret.", fields: pick(webhookFields, "id", "url", "events", "program", "disabled", "disabled_why", "old_secret_until", "version")},
	"NewWebhook":           {doc: "An endpoint with its new secret.", fields: webhookFields},
	"WebhookInput":         {doc: "What may be written of an endpoint.", required: none, fields: pick(webhookFields, "id", "url", "events", "program", "disabled")},
	"PartnerPostback":      {doc: "The URL by which a partner is told of its orders.", fields: postbackFields},
	"PartnerPostbackInput": {doc: "What may be written of a partner's postback.", required: none, fields: pick(postbackFields, "url", "events", "disabled")},
}

// pick returns some of the fields.
func pick(all map[string]field, names ...string) map[string]field {
	some := map[string]field{}
	for _, name := range names {
		some[name] = all[name]
	}
	return some
}
