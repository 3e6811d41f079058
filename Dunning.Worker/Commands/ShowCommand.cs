using System.CommandLine;
using Dapper;
using Dunning.Hosting;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>show ACCOUNT</c>: one account as a person would want to read it.</summary>
internal static class ShowCommand
{
    private const int DefaultEvents = 40;

    public static Command Create(CommandContext context)
    {
        var account = new Argument<string>("ACCOUNT") { Description = "The account's id" };
        var events = new Option<int>("--events") { Description = "How many of its last events", DefaultValueFactory = _ => DefaultEvents };
        events.Validators.Add(result =>
        {
            // Not a number at all: the parser has said so.
            if (result.Errors.Any() || result.GetValueOrDefault<int>() >= 0)
            {
                return;
            }
            result.AddError("--events must not be negative");
        });
        var json = new Option<bool>("--json") { Description = "One JSON object: instants in UTC, amounts in minor units" };
        var command = new Command("show",
            """
            Show an account: its state, what it owes, what happens next and when, and its events. It changes nothing.

              dunning show acme
              dunning show acme --events 200
              dunning show suspended-then-returns --database dunning_demo
            """)
        { account, events, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            var id = parsed.GetValue(account)!;
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            if (await AccountPage.ReadAsync(database, settings, id, context.Time, ct) is not { } page)
            {
                throw await NoAccountAsync(database, id, ct);
            }
            if (page.HasOtherRules)
            {
                await context.Error.WriteLineAsync(
                    "note: the service's rules are not those of this command's settings; what happens next is told by this command's");
            }
            await context.Output.WriteLineAsync(parsed.GetValue(json)
                ? AccountJson.Write(page, parsed.GetValue(events))
                : new AccountText(page, Paint.For(context.Output)).Write(parsed.GetValue(events)));
            return CommandLine.Ok;
        });
        return command;
    }

    /// <summary>Refuses an account that is not there, where one was named: who mistypes it should not read "none".</summary>
    internal static async Task CheckAccountAsync(Database database, string? id, CancellationToken ct)
    {
        if (id is null)
        {
            return;
        }
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        if (!await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists (select from dunning.account where id = @id)", new { id }, cancellationToken: ct)))
        {
            throw await NoAccountAsync(database, id, ct);
        }
    }

    /// <summary>That there is no such account, and which there are of a similar id.</summary>
    internal static async Task<CommandException> NoAccountAsync(Database database, string id, CancellationToken ct) =>
        new($"there is no account '{id}' in {database.Description}{await AlikeAsync(database, id, ct)}");

    // Who mistypes an id has most of it right.
    private static async Task<string> AlikeAsync(Database database, string id, CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        var alike = (await connection.QueryAsync<string>(new CommandDefinition(
            "select id from dunning.account where position(lower(@id) in lower(id)) > 0 or position(lower(id) in lower(@id)) > 0 order by id limit 5",
            new { id },
            cancellationToken: ct))).AsList();
        return alike.Count == 0 ? "" : $"; there is {string.Join(", ", alike)}";
    }
}
