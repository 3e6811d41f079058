using System.CommandLine;
using System.Globalization;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>migrate</c>: brings the schema up to date, the job host's too.</summary>
internal static class MigrateCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new Command("migrate",
            "Bring the database's schema up to date. Run it before the service where the service's role may not change the schema; else 'run' does it.");
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            await using var database = await Database.OpenAsync(settings, ct);
            var applied = await MigrateAsync(database, context.Time, ct);
            await context.Output.WriteLineAsync(applied.Count == 0
                ? $"{database.Description}: up to date"
                : $"{database.Description}: applied {string.Join(", ", applied.Select(v => v.ToString("'V'000", CultureInfo.InvariantCulture)))}");
            return CommandLine.Ok;
        });
        return command;
    }

    /// <summary>Our schema, the sandbox's and the job host's, all under our migration lock.</summary>
    public static async Task<IReadOnlyList<int>> MigrateAsync(Database database, TimeProvider time, CancellationToken ct) =>
        await new Migrator(database.Source, time).MigrateAsync(ct, async token =>
        {
            await using var connection = await database.Source.OpenConnectionAsync(token);
            await SandboxSchema.CreateAsync(connection, token);
            await JobSchema.CreateAsync(connection, token);
        });
}
