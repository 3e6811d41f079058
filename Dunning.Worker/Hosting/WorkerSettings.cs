using System.Collections.Immutable;
using System.Globalization;
using Dunning.Gateways;
using Dunning.Hosting.Configuration;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops.SignIn;
using Dunning.Ops.Alerts;
using Dunning.Ops.Signals;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Pay;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Hosting;

/// <summary>
/// Everything that configuration says, read and checked as a whole: <see cref="Read"/> finds every fault at once, so that an operator mends all of
/// them in one go.
/// </summary>
public sealed record WorkerSettings
{
    /// <summary>The settings of the rules.</summary>
    public required RuleOptions Rules { get; init; }

    /// <summary>Who issues the invoices.</summary>
    public required SellerIdentity Seller { get; init; }

    /// <summary>How mails leave.</summary>
    public required MailOptions Mail { get; init; }

    /// <summary>What the mails say.</summary>
    public required MailTexts Texts { get; init; }

    /// <summary>How documents look, and where they are handed in.</summary>
    public required DocumentSettings Documents { get; init; }

    /// <summary>Which gateway charges, and how.</summary>
    public required PaymentSettings Payments { get; init; }

    /// <summary>The links in mails, and how new payment methods are verified.</summary>
    public required LinkSettings Links { get; init; }

    /// <summary>The operators' pages and who may see them.</summary>
    public required OpsSettings Ops { get; init; }
    /// <summary>What stops harm to many.</summary>
    public required GuardSettings Guards { get; init; }

    /// <summary>Where metrics and traces go.</summary>
    public required SignalSettings Signals { get; init; }

    /// <summary>Who is told of what is wrong.</summary>
    public required AlertSettings Alerts { get; init; }
    /// <summary>How long is kept what the books do not need.</summary>
    public required RetentionSettings Retention { get; init; }

    /// <summary>Limits of a pass in the service.</summary>
    public required PassLimits Limits { get; init; }

    /// <summary>When the recurring jobs run.</summary>
    public required JobSettings Jobs { get; init; }

    /// <summary><c>ConnectionStrings:Dunning</c>; null: a private server is started.</summary>
    public string? ConnectionString { get; init; }

    /// <summary><c>Database:Folder</c>: where the private server lives. Null: the user's own folder.</summary>
    public string? DatabaseFolder { get; init; }

    /// <summary><c>Database:Binaries</c>: the folder of PostgreSQL's programs. Null: looked for in the usual places.</summary>
    public string? DatabaseBinaries { get; init; }

    /// <summary><c>Database:Name</c> on the private server. Default <c>dunning</c>.</summary>
    public string DatabaseName { get; init; } = "dunning";

    /// <summary>
    /// <c>Database:Migrate</c>: whether <c>run</c> brings the schema up to date itself. Default true; set it to false where the service's role may
    /// not change the schema, and run <c>migrate</c> as one that may.
    /// </summary>
    public bool MigratesAtStart { get; init; } = true;

    /// <summary><c>Http:Urls</c>: where the health page and the dashboard listen. Default http://127.0.0.1:5080.</summary>
    public string Urls { get; init; } = "http://127.0.0.1:5080";

    /// <summary><c>Logging:Format</c>: simple (default), lines for people, or json.</summary>
    public bool LogsJson { get; init; }

    /// <summary>
    /// <c>Environment:File</c>: what is kept outside of the database, to notice a copy or a restored one. Null: a file named after the installation in
    /// this user's state folder.
    /// </summary>
    public string? EnvironmentFile { get; init; }

    /// <summary>The flat configuration that this was read from.</summary>
    public required ImmutableSortedDictionary<string, string?> Flat { get; init; }

    /// <summary>Reads the configuration: the settings, or every fault with its key, the given value and what is allowed.</summary>
    public static (WorkerSettings? Settings, ImmutableArray<string> Faults) Read(IConfiguration configuration)
    {
        var flat = configuration.AsEnumerable().ToImmutableSortedDictionary(p => p.Key, p => p.Value, StringComparer.OrdinalIgnoreCase);
        var faults = ImmutableArray.CreateBuilder<string>();
        flat = GivenSettings.WithSecrets(flat, faults);
        var rules = Take(RuleOptions.Read(flat));
        var seller = Take(SellerSettings.Read(flat, rules ?? new RuleOptions()));
        var payments = Take(PaymentSettings.Read(flat, rules ?? new RuleOptions()));
        var mail = Take(MailOptions.Read(flat, chargesForReal: payments is { IsLive: true }));
        var texts = mail is null ? null : Take(MailTexts.Find(mail.TemplatesFolder));
        var documents = Take(DocumentSettings.Read(flat));
        var links = Take(LinkSettings.Read(flat));
        var ops = Take(OpsSettings.Read(flat));
        var jobs = Take(JobSettings.Read(flat));
        var guards = Take(GuardSettings.Read(flat));
        var signals = Take(SignalSettings.Read(flat));
        var alerts = Take(AlertSettings.Read(flat));
        var retention = Take(RetentionSettings.Read(flat));
        var limits = new PassLimits
        {
            BatchSize = Int("Passes:BatchSize", 250, 1, 2000),
            Concurrency = Int("Passes:Concurrency", 100, 1, 2000),
            Budget = Duration.FromSeconds(Int("Passes:BudgetSeconds", 240, 1, 1500)),
        };
        var migrates = flat.GetValueOrDefault("Database:Migrate") is not { Length: > 0 } text || Flag("Database:Migrate", text);
        var urls = Given("Http:Urls") ?? "http://127.0.0.1:5080";
        foreach (var url in urls.Split(';').Where(u => !IsHttpAddress(u)))
        {
            faults.Add($"Http:Urls is '{url}', but must be http addresses without a path, parted by semicolons, such as http://127.0.0.1:5080");
        }
        var format = Given("Logging:Format") ?? "simple";
        if (format is not ("simple" or "json"))
        {
            faults.Add($"Logging:Format is '{format}', but must be simple or json");
        }
        // The framework would end the start with a stack trace.
        faults.AddRange(flat.Where(p => p.Value is { Length: > 0 } && p.Key.StartsWith("Logging:", StringComparison.OrdinalIgnoreCase)
                && SettingKeys.Find(p.Key) is { Kind: SettingKind.Choice, IsReloadable: true } key && !key.Choices.Contains(p.Value, StringComparer.OrdinalIgnoreCase))
            .Select(p => $"{p.Key} is '{p.Value}', but must be {string.Join(", ", SettingKeys.Find(p.Key)!.Choices)}"));
        var environment = Given("Environment:File");
        if (environment is not null && Directory.Exists(environment))
        {
            faults.Add($"Environment:File is '{environment}', which is a folder, but must be a file that may be written, such as /var/lib/dunning/environment.json");
        }
        if (links is { PublicUrl: not null } && payments is { GoCardless: not null })
        {
            faults.Add("Links:PublicUrl is given, but the gateway gocardless has no pages for cards: leave it away, mandates are made by your application");
        }
        if (Given("ConnectionStrings:Dunning") is { } connectionString && !IsConnectionString(connectionString))
        {
            faults.Add("ConnectionStrings:Dunning must be a connection string of PostgreSQL (its value is not shown), such as Host=db.example.com;Database=dunning;Username=dunning;Password=…");
        }
        faults.AddRange(GivenSettings.Unknown(flat, configuration, faults));
        if (faults.Count > 0)
        {
            return (null, [.. faults.Select(GivenSettings.WithNearest)]);
        }
        return (new WorkerSettings
        {
            Rules = rules!,
            Seller = seller!,
            Mail = mail!,
            Texts = texts!,
            Documents = documents!,
            Payments = payments!,
            Links = links!,
            Ops = ops!,
            Jobs = jobs!,
            Signals = signals!,
            Alerts = alerts!,
            Guards = guards!,
            Retention = retention!,
            Limits = limits,
            ConnectionString = Given("ConnectionStrings:Dunning"),
            DatabaseFolder = Given("Database:Folder"),
            DatabaseBinaries = Given("Database:Binaries"),
            DatabaseName = Given("Database:Name") ?? "dunning",
            MigratesAtStart = migrates,
            Urls = urls,
            LogsJson = format == "json",
            EnvironmentFile = environment,
            Flat = flat,
        }, []);

        T? Take<T>((T? Value, ImmutableArray<string> Faults) read)
        {
            faults.AddRange(read.Faults);
            return read.Value;
        }

        string? Given(string key) => flat.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;

        int Int(string key, int standard, int min, int max) => WholeNumber.Read(Given(key), key, standard, min, max, faults);

        bool Flag(string key, string given)
        {
            if (!bool.TryParse(given, out var value))
            {
                faults.Add($"{key} is '{given}', but must be true or false");
            }
            return value;
        }
    }

    private static bool IsConnectionString(string text)
    {
        try
        {
            return new Npgsql.NpgsqlConnectionStringBuilder(text) is { Host.Length: > 0 };
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            return false;
        }
    }

    private static bool IsHttpAddress(string text)
    {
        try
        {
            return BindingAddress.Parse(text) is { Scheme: "http", PathBase: "", IsUnixPipe: false, IsNamedPipe: false };
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
