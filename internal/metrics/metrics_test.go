package metrics_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sluicehq/sluice/internal/metrics"
)

// scrape asks as Prometheus does and reads the answer with its own parser.
func scrape(t *testing.T, r metrics.Reading) ([]byte, map[string]*dto.MetricFamily) {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.Handler(func() metrics.Reading { return r }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	text := w.Body.Bytes()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return text, families
}

// full has a different number in every field.
func full() metrics.Reading {
	return metrics.Reading{
		Version: "1.2.3", Role: "all",
		Visits: metrics.Visits{Redirected: 101, Missing: 102, Refused: 103, Bots: 104, Lost: 105},
		Doors:  []metrics.Door{{Name: "plain", Open: 201, HandedOn: 202, Rejected: 203, Accepted: 207, Evicted: 208, Expired: 209, Aborted: 210}, {Name: "tls", Open: 204, Rejected: 206}},
		Lanes: []metrics.Lane{{Name: "0", Segments: 301, Bytes: 302, UnsyncedBytes: 303, Records: 304, DroppedFull: 305, DroppedTooLarge: 306,
			DroppedFailed: 307, DroppedClosed: 308, SyncErrors: 309, Damages: 310, Rolls: 311, Waits: 312, SetAsideFiles: 313, SetAsideBytes: 314,
			LongestWait: 315 * time.Second, LastSync: time.Unix(316, 0)}, {Name: "1", Records: 404}},
		Table:   metrics.Table{Links: 501, Seq: 502, SavedSeq: 503},
		Office:  &metrics.Office{Open: true, CatalogSeq: 601, Stored: 602, SetAside: 603, Retries: 604, WaitingRecords: 605, WaitingBytes: 606, LagSeconds: 607, Duplicates: 608, Expired: 609, Sources: 610},
		Shipper: &metrics.Shipper{Sent: 1001, Marked: 1002, Retries: 1003, WaitingRecords: 1004, WaitingBytes: 1005, LagSeconds: 1006},
		Links:   &metrics.Links{Head: 1101, Steps: 1102, Snapshots: 1103, Nodes: 1104, Skew: -1105 * time.Millisecond},
		Intake: &metrics.Intake{Taken: 901, RefusedLines: 902, Lost: 903, Requests: 904, Unsigned: 905, Busy: 906, Unstored: 907,
			Senders: []metrics.Sender{{Site: "blog", Key: "2", Clicks: 911, Skew: -912 * time.Millisecond, Last: time.Unix(913, 0), Newest: time.Unix(914, 0)}}},
		Disk:   &metrics.Disk{Free: 701, Size: 702},
		Certs:  []metrics.Certificate{{Name: "a.example", Expires: time.Unix(801, 0)}, {Name: "a.example", Expires: time.Unix(899, 0)}},
		Alarms: []metrics.Alarm{{Name: "journal_space", Raised: true}, {Name: "disk_low"}},
	}
}

func TestEveryFigureIsWhereItBelongs(t *testing.T) {
	text, families := scrape(t, full())
	for _, line := range strings.Split(strings.TrimSpace(`
sluice_build_info{go_version="GO",role="all",version="1.2.3"} 1
sluice_alarm{alarm="journal_space"} 1
sluice_alarm{alarm="disk_low"} 0
sluice_clicks_total{outcome="redirected"} 101
sluice_clicks_total{outcome="missing"} 102
sluice_clicks_total{outcome="refused"} 103
sluice_clicks_bot_total 104
sluice_clicks_lost_total 105
sluice_connections{listener="plain"} 201
sluice_connections{listener="tls"} 204
sluice_connections_handed_on_total{listener="plain"} 202
sluice_connections_rejected_total{listener="plain"} 203
sluice_connections_accepted_total{listener="plain"} 207
sluice_connections_evicted_total{listener="plain"} 208
sluice_connections_expired_total{listener="plain"} 209
sluice_connections_aborted_total{listener="plain"} 210
sluice_connections_rejected_total{listener="tls"} 206
sluice_ingest_clicks_total 901
sluice_ingest_duplicates_total 608
sluice_ingest_refused_lines_total 902
sluice_ingest_lost_total 903
sluice_ingest_requests_total 904
sluice_ingest_turned_away_total{reason="unsigned"} 905
sluice_ingest_turned_away_total{reason="busy"} 906
sluice_ingest_turned_away_total{reason="unstored"} 907
sluice_ingest_sender_clicks_total{key="2",site="blog"} 911
sluice_ingest_clock_skew_seconds{key="2",site="blog"} -0.912
sluice_ingest_last_batch_timestamp_seconds{key="2",site="blog"} 913
sluice_ingest_newest_click_timestamp_seconds{key="2",site="blog"} 914
sluice_journal_segments{lane="0"} 301
sluice_journal_size_bytes{lane="0"} 302
sluice_journal_unsynced_bytes{lane="0"} 303
sluice_journal_records_total{lane="0"} 304
sluice_journal_records_total{lane="1"} 404
sluice_journal_dropped_records_total{lane="0",reason="full"} 305
sluice_journal_dropped_records_total{lane="0",reason="too_large"} 306
sluice_journal_dropped_records_total{lane="0",reason="failed"} 307
sluice_journal_dropped_records_total{lane="0",reason="closed"} 308
sluice_journal_sync_failures_total{lane="0"} 309
sluice_journal_damages_total{lane="0"} 310
sluice_journal_rolls_total{lane="0"} 311
sluice_journal_waits_total{lane="0"} 312
sluice_journal_set_aside_files{lane="0"} 313
sluice_journal_set_aside_bytes{lane="0"} 314
sluice_journal_longest_wait_seconds{lane="0"} 315
sluice_journal_last_sync_timestamp_seconds{lane="0"} 316
sluice_table_links 501
sluice_table_change 502
sluice_table_saved_change 503
sluice_office_open 1
sluice_shipper_clicks_total 1001
sluice_shipper_marked_total 1002
sluice_shipper_retries_total 1003
sluice_shipper_waiting_clicks 1004
sluice_shipper_waiting_bytes 1005
sluice_shipper_lag_seconds 1006
sluice_links_head_change 1101
sluice_links_steps_total 1102
sluice_links_snapshots_total 1103
sluice_nodes 1104
sluice_clock_skew_seconds -1.105
sluice_pipeline_expired_total 609
sluice_pipeline_sources 610
sluice_catalog_change 601
sluice_pipeline_clicks_total 602
sluice_pipeline_set_aside_total 603
sluice_pipeline_retries_total 604
sluice_pipeline_waiting_clicks 605
sluice_pipeline_waiting_bytes 606
sluice_pipeline_lag_seconds 607
sluice_disk_free_bytes 701
sluice_disk_size_bytes 702
sluice_certificate_expiry_timestamp_seconds{name="a.example"} 801`), "\n") {
		if head, _, ok := strings.Cut(line, "GO"); !bytes.Contains(text, []byte("\n"+line+"\n")) && (!ok || !bytes.Contains(text, []byte("\n"+head+"go1"))) {
			t.Errorf("%s is not there", line)
		}
	}
	for _, other := range []string{"go_goroutines", "process_resident_memory_bytes", "process_open_fds"} {
		if families[other] == nil {
			t.Errorf("%s is not there", other)
		}
	}
}

// The same rules that promtool checks: units, suffixes, help.
func TestNamesFollowTheConventions(t *testing.T) {
	text, _ := scrape(t, full())
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The operator's page knows every metric, and no other.
func TestTheOperatorsPageNamesThem(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, families := scrape(t, full())
	for name := range families {
		if strings.HasPrefix(name, "sluice_") && !bytes.Contains(page, []byte("`"+name+"`")) && !bytes.Contains(page, []byte("`"+name+"{")) {
			t.Errorf("docs/operations.md says nothing of %s", name)
		}
	}
	for _, word := range strings.FieldsFunc(string(page), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if strings.HasPrefix(word, "sluice_") && families[word] == nil {
			t.Errorf("docs/operations.md names %s, which there is not", word)
		}
	}
}

// While the office is closed its counts are absent: a lag of 0 would be a lie.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	r := full()
	r.Office = &metrics.Office{}
	r.Disk = nil
	_, families := scrape(t, r)
	for _, name := range []string{"sluice_pipeline_lag_seconds", "sluice_catalog_change", "sluice_disk_free_bytes"} {
		if families[name] != nil {
			t.Errorf("%s is there", name)
		}
	}
	if f := families["sluice_office_open"]; f == nil || f.Metric[0].GetGauge().GetValue() != 0 {
		t.Errorf("the closed office: %v", f)
	}
	r.Office = nil
	if _, families := scrape(t, r); families["sluice_office_open"] != nil {
		t.Error("an office is told of where there is none")
	}
}
