using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Passes, the database, and this machine.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> PassesKeys =>
    [
        Of("Jobs:TimeZone", "Etc/UTC", "Time zone of the cron expressions."),
        Flag("Jobs:RunAtStart", true, "Each pass also runs once when the service starts."),
        Of("Jobs:{PASS}:Cron", JobSettings.EveryMinute, "When a pass runs, in five cron fields, or `off`. PASS is "
            + string.Join(", ", JobSettings.Passes.Select(p => $"`{p}`")) + "."),
        Number("Passes:BatchSize", 250, 1, 2000, "Accounts in one commit.") with { IsReloadable = true },
        Number("Passes:Concurrency", 100, 1, 2000, "Gateway calls and deliveries under way at once.") with { IsReloadable = true },
        Number("Passes:BudgetSeconds", 240, 1, 1500, "How long a pass goes on; the rest is the next tick's.") with { IsReloadable = true },
    ];

    private static ImmutableArray<SettingKey> MachineKeys =>
    [
        Secret("ConnectionStrings:Dunning", "Host=db.example.com;Database=dunning;Username=dunning;Password=…", "PostgreSQL 15 or newer. Without it a private server is started from this machine's programs."),
        Of("Database:Name", "dunning", "The database on the private server."),
        InFolder("Database:Folder", "/var/lib/dunning/pg", "Where the private server lives. Default: `/var/lib/dunning/pg` as root, else in the user's own folder."),
        InFolder("Database:Binaries", "/usr/lib/postgresql/17/bin", "PostgreSQL's programs. Default: looked for in the usual places."),
        Flag("Database:Migrate", true, "Whether `run` brings the schema up to date itself. `false` where the service's role may not: [install.md](install.md)."),
        InFile("Environment:File", "/var/lib/dunning/environment.json", "What is kept outside of the database to notice a copy or a restored one. Default: a file named after the installation in this user's state folder."),
        Of("Http:Urls", "http://127.0.0.1:5080", "Where the service listens: http addresses without a path, parted by semicolons."),
        OneOf("Logging:Format", "Lines for people, or JSON.", "simple", "json"),
        new("Logging:LogLevel:{CATEGORY}", SettingKind.Choice, null, "From which level on a category is logged; `Default` is all of them. Ours are `Information`, the frameworks' `Warning`.")
        {
            Choices = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"], Example = "Debug", IsReloadable = true,
        },
        new("Logging:Console:LogLevel:{CATEGORY}", SettingKind.Choice, null, "The same for the console alone.")
        {
            Choices = ["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"], Example = "Debug", IsReloadable = true,
        },
    ];
}
