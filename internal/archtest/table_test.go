package archtest

// A room is one package, or the packages of one pattern ("store/*"), below
// internal/. The first row that matches a package is its own.
type room struct {
	pkg string
	may []string // our packages that it may import, as patterns; "…" is any
	std []string // packages of the standard library that it may never import
	why string   // shown to whoever breaks the row
}

const (
	anyOfOurs = "…"
	// ownRoom is the folder above an engine or a suite.
	ownRoom = "^"
)

// rooms is the direction of imports: faces and work on top, then contracts and
// mechanism, then the nouns. Test files are free to bring in more, within
// importers below.
var rooms = []room{
	// The centre.
	{pkg: "affiliate", std: []string{"os", "os/exec", "io/fs", "net", "net/http", "database/sql", "log", "log/slog", "syscall"},
		why: "the nouns and their rules are the same everywhere and do no I/O"},

	// Mechanism: what the request path is made of.
	{pkg: "routing", may: []string{"affiliate"}, std: []string{"net", "net/http", "database/sql"},
		why: "a decision is made from memory and nothing else"},
	{pkg: "fraud", may: []string{"affiliate"}, std: []string{"os", "net", "net/http", "database/sql", "log/slog"},
		why: "a verdict is pure, so that history can be scored again"},
	{pkg: "background", std: []string{"net", "net/http", "database/sql"}, why: "a thread's priority is between it and the kernel"},
	{pkg: "journal", may: []string{"background"}, std: []string{"net", "net/http", "database/sql"},
		why: "the journal keeps bytes and knows no click"},
	{pkg: "geo", may: []string{"affiliate"}, std: []string{"net/http", "database/sql"},
		why: "an address is looked up in memory"},
	{pkg: "geo/mkasn", std: []string{"net/http"}, why: "a step of the build converts files and fetches nothing"},
	{pkg: "useragent", may: []string{"affiliate"}, std: []string{"os", "net", "net/http", "database/sql"},
		why: "a header is read, not looked up"},
	{pkg: "ledger", may: []string{"affiliate"}, std: []string{"os", "net", "net/http", "database/sql", "log/slog"},
		why: "sums are right whatever keeps the entries"},
	{pkg: "commission", may: []string{"affiliate"}, std: []string{"os", "net", "net/http", "database/sql", "log/slog"},
		why: "what a conversion should be follows from facts and a time that is handed in, so that it can be settled again"},
	{pkg: "remittance", may: []string{"affiliate"}, std: []string{"os", "net", "net/http", "database/sql", "log/slog"},
		why: "what is paid is decided elsewhere; the same transfers make the same file"},

	// Contracts, their suites, their engines.
	{pkg: "store", may: []string{"affiliate", "routing", "ledger"}, std: []string{"database/sql"},
		why: "a contract knows the nouns and no engine; entries are the ledger's words"},
	{pkg: "queue", may: []string{"affiliate", "routing"}, why: "a contract knows the nouns and no engine"},
	{pkg: "analytics", may: []string{"affiliate", "routing"}, std: []string{"database/sql"},
		why: "a contract knows the nouns and no engine"},
	{pkg: "distribution", may: []string{"affiliate", "routing"}, why: "a contract knows the nouns and no engine"},
	{pkg: "network", may: []string{"affiliate", "routing"}, why: "a contract knows the nouns and no engine"},
	{pkg: "export", may: []string{"affiliate", "routing"}, why: "a contract knows the nouns and no engine"},
	{pkg: "store/storetest", may: []string{ownRoom, "affiliate", "ledger", "testkit"},
		why: "a suite is run by every engine, so it can know none; entries are the ledger's words"},
	{pkg: "*/*test", may: []string{ownRoom, "affiliate", "testkit"},
		why: "a suite is run by every engine, so it can know none"},
	{pkg: "queue/inproc", may: []string{ownRoom, "affiliate", "journal"},
		why: "the in-process queue is the journal itself"},
	{pkg: "store/engine", may: []string{ownRoom, "affiliate", "ledger"}, std: []string{"os", "net", "net/http", "database/sql"},
		why: "what engines do alike knows none of them and opens nothing"},
	{pkg: "store/*", may: []string{ownRoom, "store/engine", "affiliate", "ledger"},
		why: "an engine never knows another engine; entries are the ledger's words"},
	{pkg: "queue/*", may: []string{ownRoom, "affiliate"}, why: "an engine never knows another engine"},
	{pkg: "analytics/*", may: []string{ownRoom, "affiliate"}, why: "an engine never knows another engine"},
	{pkg: "distribution/*", may: []string{ownRoom, "affiliate", "routing"}, why: "an engine never knows another engine"},
	{pkg: "network/*", may: []string{ownRoom, "affiliate"}, why: "an engine never knows another engine"},
	{pkg: "export/nginx", may: []string{ownRoom, "affiliate", "routing", "useragent"},
		why: "an engine never knows another engine; nginx has to be told what a user agent is"},
	{pkg: "export/*", may: []string{ownRoom, "affiliate", "routing"}, why: "an engine never knows another engine"},

	// Work.
	{pkg: "migration", may: []string{"affiliate", "analytics", "ledger", "store"}, std: []string{"os", "net", "net/http", "database/sql"},
		why: "what is moved and compared are the contracts' words, whatever the engines on both sides"},
	{pkg: "replication", may: []string{"affiliate", "distribution", "routing"}, std: []string{"os", "net", "net/http", "database/sql"},
		why: "tables are kept equal over a contract, whatever carries them and wherever the truth is read"},
	{pkg: "redirect", may: []string{"affiliate", "routing", "fraud", "journal", "geo", "useragent"}, std: []string{"database/sql"},
		why: "visitors are answered while every service is down"},
	{pkg: "certificate", std: []string{"database/sql"},
		why: "what visitors are shown over TLS depends on files and an authority, and on no link"},
	{pkg: "metrics", std: []string{"os", "database/sql"},
		why: "names and labels are fixed in one place, apart from what is counted; the wiring fills them in"},
	{pkg: "redirect/eventloop", may: []string{"redirect"}, std: []string{"database/sql"},
		why: "a server of visits knows the redirect and no link"},
	{pkg: "pipeline", may: []string{"affiliate", "background", "queue", "analytics", "geo", "useragent"}, std: []string{"database/sql", "net/http"},
		why: "facts move between contracts, whatever the engines are"},
	{pkg: "catalog", may: []string{"affiliate", "store"}, std: []string{"net/http", "database/sql"},
		why: "a change of a link has one path, over whatever face it came"},
	{pkg: "clickcap", may: []string{"affiliate", "analytics", "catalog"}, std: []string{"os", "net/http", "database/sql"},
		why: "a cap is kept by comparing two contracts, whatever counts the clicks and wherever the links are"},
	{pkg: "account", may: []string{"affiliate", "store"}, std: []string{"net/http", "database/sql"},
		why: "who may do what is decided apart from faces and engines"},
	{pkg: "linkfile", may: []string{"affiliate"}, std: []string{"os", "net/http", "database/sql"},
		why: "a file format is read and written without a running system"},
	{pkg: "settlement", may: []string{"affiliate", "analytics", "commission", "ledger", "remittance", "store"}, std: []string{"os", "net/http", "database/sql"},
		why: "the books are kept by rules that are pure, in whatever store; 90 days run in a test in milliseconds"},
	{pkg: "webhook", may: []string{"affiliate", "commission", "ledger", "store"}, std: []string{"os", "database/sql"},
		why: "what is sent follows from what the books say, in the words of those who write them, and needs no office to be sent"},
	{pkg: "experiment", may: []string{"affiliate"}, std: []string{"os", "net/http", "database/sql", "log/slog"},
		why: "assignment and statistics are pure"},
	{pkg: "content", may: []string{"affiliate", "linkfile"}, std: []string{"database/sql"},
		why: "a site's files are checked in CI, without a running system"},
	{pkg: "demo", may: []string{"affiliate", "analytics", "catalog", "useragent"}, std: []string{"os", "net/http", "database/sql"},
		why: "an invented past is data; the caller stores it through the common doors"},

	// Faces.
	{pkg: "api", may: []string{"affiliate", "account", "analytics", "catalog", "clickcap", "commission", "ingest", "ledger", "linkfile", "postback", "remittance", "settlement", "webhook", "experiment"}, std: []string{"database/sql"},
		why: "a face calls the work and never an engine"},
	{pkg: "api/client", may: []string{"affiliate", "api", "catalog"}, std: []string{"os", "database/sql"},
		why: "the client speaks the shapes that the server declares"},
	{pkg: "postback", may: []string{"affiliate"}, std: []string{"os", "database/sql"},
		why: "what merchants send is read without knowing where it is kept"},
	{pkg: "ingest", may: []string{"affiliate", "fraud", "redirect", "routing", "useragent"}, std: []string{"os", "database/sql"},
		why: "clicks from elsewhere are judged as our own are, and end in the same journal, which the wiring hands in"},
	{pkg: "accesslog", std: []string{"net", "net/http", "database/sql"},
		why: "a log is read whatever its lines mean and wherever they go"},
	{pkg: "web", why: "the dashboard is files; it reaches the rest over the API"},

	// Wiring, and what serves tests.
	{pkg: "config", std: []string{"net/http", "database/sql", "log/slog"}, why: "configuration is one typed tree that opens nothing"},
	{pkg: "app", may: []string{anyOfOurs}, why: "the only wiring"},
	{pkg: "testkit", std: []string{"database/sql"}, why: "it meets the program from outside, as a user does"},
	{pkg: "archtest", why: "it reads the source of the others and runs none of it"},
}

// importers says by whom alone a package may be imported, tests included.
var importers = []struct {
	pkg string
	by  []string // patterns; "cmd" and "test" are those folders of the repository
	why string
}{
	{"app", []string{"cmd", "test", "app"}, "nothing depends on the wiring but what starts it"},
	{"config", []string{"cmd", "test", "app", "config"}, "a package takes its own Options"},
	{"store/engine", []string{"store/*"}, "whoever uses a store reads the contract, and not how engines keep it"},
	{"geo/mkasn", nil, "it is a program"},
	{"archtest", nil, "it is tests only"},
	{"demo", []string{"cmd", "test", "app", "demo"}, "invented data stays out of the product's own paths"},
	{"api/client", []string{"cmd", "test", "api", "api/*", "app"}, "inside the process the work is called directly"},
}

// nevers are the promises that must hold through every package between.
var nevers = []struct {
	pkg   string
	never []string // ours as patterns, or the start of any other import path
	why   string
}{
	{"redirect", []string{"store", "store/*", "catalog", "account", "settlement"}, "visitors are answered while the database is down"},
	{"redirect", []string{"analytics", "analytics/*", "queue", "queue/*", "pipeline"}, "visitors are answered while reports and brokers are down"},
	{"redirect", []string{"api", "web", "app", "config"}, "the hot path knows nothing above it"},
	{"redirect", []string{"database/sql", "encoding/csv", "html/template"}, "the hot path links no slow machinery"},
	{"routing", []string{"net/http"}, "the event loop and net/http share one decision code"},
	{"catalog", []string{"redirect", "pipeline", "analytics"}, "links can be edited where no redirect runs"},
	{"pipeline", []string{"store", "catalog", "api", "redirect"}, "clicks reach the reports while the control plane is down"},
	{"api", []string{"github.com/duckdb/", "github.com/ClickHouse/", "github.com/mattn/go-sqlite3"}, "engines translate their library at their own door"},
}

// libraries gives each library outside the standard one its home. A library
// that no row names is a decision nobody has taken yet.
var libraries = []struct {
	library string   // start of the import path
	only    []string // patterns; "cmd" is the command line
	tests   []string // may import it in test files besides
	why     string
}{
	{"github.com/duckdb/duckdb-go", []string{"analytics/duckdb", "analytics/analyticstest"}, nil,
		"DuckDB is one engine of reports; the suite reads every engine's Parquet with it"},
	{"github.com/ClickHouse/clickhouse-go", []string{"analytics/clickhouse"}, []string{"app", "clickcap", "cmd", "migration", "test"}, "ClickHouse is one engine of reports; what it takes on disk is asked by measurements"},
	{"github.com/parquet-go/parquet-go", []string{"analytics/clickhouse"}, nil, "an engine whose server writes no Parquet for us writes it itself"},
	{"github.com/mattn/go-sqlite3", []string{"store/sqlite"}, nil, "SQLite is one engine of the store"},
	{"github.com/jackc/pgx", []string{"store/postgres"}, []string{"app", "clickcap", "cmd", "migration", "test"}, "PostgreSQL is one engine of the store; measurements remove what they made"},
	{"github.com/danielgtaylor/huma", []string{"api"}, nil, "the API's framework stays behind the API's door"},
	{"github.com/spf13/cobra", []string{"cmd"}, nil, "only the command line has verbs"},
	{"github.com/spf13/pflag", []string{"cmd"}, nil, "only the command line has flags"},
	{"github.com/schollz/progressbar", []string{"cmd"}, nil, "only the command line has a terminal"},
	{"golang.org/x/term", []string{"cmd"}, nil, "only the command line has a terminal"},
	{"go.yaml.in/yaml", []string{"config", "cmd"}, nil, "configuration is read in one place"},
	{"github.com/oschwald/maxminddb-golang", []string{"geo"}, []string{"geo/mkasn"}, "one package reads MMDB files"},
	{"github.com/maxmind/mmdbwriter", []string{"geo/mkasn"}, nil, "it is needed at build time only"},
	{"github.com/pires/go-proxyproto", []string{"redirect/eventloop", "app"}, nil, "who a proxy speaks for is read where connections begin"},
	{"github.com/caddyserver/certmagic", []string{"certificate"}, nil, "one package obtains certificates"},
	{"go.uber.org/zap", []string{"certificate"}, nil, "it is how certmagic logs; we log with slog"},
	{"github.com/prometheus/client_golang", []string{"metrics"}, nil, "one package speaks Prometheus"},
	{"github.com/prometheus/common", nil, []string{"metrics", "app"}, "Prometheus' own parser is for tests"},
	{"github.com/prometheus/client_model", nil, []string{"metrics", "app"}, "Prometheus' own parser is for tests"},
	{"github.com/klauspost/compress", []string{"journal", "accesslog", "distribution/redis"}, nil, "what was shipped and what is in Redis' memory is compressed; others compress their logs"},
	{"github.com/redis/go-redis", []string{"distribution/redis"}, []string{"replication", "test"}, "Redis is one engine of the distribution; its memory is asked by measurements"},
	{"github.com/rabbitmq/amqp091-go", []string{"queue/rabbitmq"}, []string{"app", "pipeline", "test"}, "RabbitMQ is one engine of the queue; measurements remove what they made"},
	{"github.com/twmb/franz-go", []string{"queue/kafka"}, []string{"test"}, "Kafka is one engine of the queue; measurements remove what they made"},
	{"github.com/x-way/crawlerdetect", []string{"useragent"}, nil, "one package names bots"},
	{"golang.org/x/crypto", []string{"account", "affiliate"}, nil, "secrets are hashed where accounts are kept"},
	{"golang.org/x/net/publicsuffix", []string{"export/edge"}, nil, "what of a host somebody can register is a list that others keep"},
	{"golang.org/x/text", []string{"affiliate", "remittance"}, nil, "one package says when two names are the same, one spells names for banks"},
	{"github.com/standard-webhooks/standard-webhooks", []string{"webhook"}, nil, "one package signs what is sent"},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"test"}, nil, "one crowd of visitors tells waits apart"},
	{"golang.org/x/sys", []string{"accesslog", "background", "geo", "journal", "routing", "redirect/eventloop", "app", "cmd", "store/sqlite", "analytics/duckdb", "test"}, nil,
		"system calls belong to what holds files, processes and threads"},
	{"github.com/google/go-cmp", nil, []string{anyOfOurs, "cmd", "test"}, "comparing whole values is for tests"},
	{"pgregory.net/rapid", nil, []string{anyOfOurs, "cmd", "test"}, "random cases are for tests"},
}
