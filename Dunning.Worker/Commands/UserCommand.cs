using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dunning.Ops;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>user add|passwd|disable|sign-out|list</c>: who may see the operators' pages.</summary>
internal static class UserCommand
{
    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public static Command Create(CommandContext context) => new(
        "user",
        """
        Who may see the operators' pages (/ops). A password is asked for, or read from standard input or a file; it is never an argument, which
        other users of the machine could see.

          dunning user add anna --role operator
          dunning user passwd anna
          dunning user disable anna
          dunning user sign-out anna
          dunning user list
        """)
    {
        Add(context), ChangePassword(context), Disable(context), SignOut(context), List(context),
    };

    private static Command Add(CommandContext context)
    {
        var (name, file, reason, by) = (NameArgument(), PasswordFileOption(), ReasonOption("set up"), ByOption());
        var role = new Option<string>("--role") { Description = "viewer sees everything, operator acts, admin also approves what a guard holds back", Required = true };
        role.AcceptOnlyFromAmong([.. OpsRoles.Names]);
        var replace = new Option<bool>("--replace") { Description = "If there is such a user: give it this role and password, and let it in again. Its sessions end" };
        var command = new Command("add",
            """
            Set a user up. The password has 12 characters or more.

              dunning user add anna --role operator
              pwgen -s 20 1 | dunning user add anna --role operator
              dunning user add anna --role operator --password-file /run/secrets/anna
            """)
        { name, role, file, replace, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            var user = NameOf(parsed.GetValue(name)!);
            var mandate = MandateOf(parsed.GetValue(by), parsed.GetValue(reason));
            var password = await PasswordAsync(context, parsed.GetValue(file), user, ct);
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            OpsRoles.TryParse(parsed.GetValue(role), out var may);
            if (!await new OpsUsers(database.Source, context.Time).AddAsync(mandate, user, may!.Value, password, parsed.GetValue(replace), ct))
            {
                await context.Error.WriteLineAsync($"there is a user '{user}': 'user passwd' changes the password, --replace all");
                return CommandLine.Wanting;
            }
            await context.Output.WriteLineAsync($"{user} may sign in as {parsed.GetValue(role)}");
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command ChangePassword(CommandContext context)
    {
        var (name, file, reason, by) = (NameArgument(), PasswordFileOption(), ReasonOption("new password"), ByOption());
        var command = new Command("passwd",
            """
            Give a user another password. Its sessions end.

              dunning user passwd anna
            """)
        { name, file, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            var user = NameOf(parsed.GetValue(name)!);
            var mandate = MandateOf(parsed.GetValue(by), parsed.GetValue(reason));
            var password = await PasswordAsync(context, parsed.GetValue(file), user, ct);
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            return await ToldAsync(
                context, await new OpsUsers(database.Source, context.Time).ChangePasswordAsync(mandate, user, password, ct), user, "has another password; its sessions have ended");
        });
        return command;
    }

    private static Command Disable(CommandContext context)
    {
        var (name, reason, by) = (NameArgument(), ReasonOption("disabled"), ByOption());
        var command = new Command("disable",
            """
            Let a user in no more; its sessions end at once. 'user add --replace' lets it in again. What it did stays in the trail.

              dunning user disable anna
            """)
        { name, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            var user = NameOf(parsed.GetValue(name)!);
            var mandate = MandateOf(parsed.GetValue(by), parsed.GetValue(reason));
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            return await ToldAsync(context, await new OpsUsers(database.Source, context.Time).DisableAsync(mandate, user, ct), user, "may not sign in any more");
        });
        return command;
    }

    private static Command SignOut(CommandContext context)
    {
        var (reason, by) = (ReasonOption("signed out"), ByOption());
        var name = new Argument<string?>("NAME") { Description = "As 'audit' names them, those of an identity provider, too", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all") { Description = "Everybody" };
        var command = new Command("sign-out",
            """
            End the sessions of one person or of everybody, on all servers at once.

              dunning user sign-out claire@example.com
              dunning user sign-out --all
            """)
        { name, all, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            var given = parsed.GetValue(name);
            if (given is null != parsed.GetValue(all))
            {
                throw new CommandException("say either whose sessions end, or --all");
            }
            var mandate = MandateOf(parsed.GetValue(by), parsed.GetValue(reason));
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var users = new OpsUsers(database.Source, context.Time);
            var ended = await users.SignOutAsync(mandate, given is null ? null : OpsUsers.NameOf(given) is { } local && await users.IsLocalAsync(local, ct) ? local : given.Trim(), ct);
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{ended} sessions have ended"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command List(CommandContext context)
    {
        var json = new Option<bool>("--json") { Description = "As JSON" };
        var command = new Command("list",
            """
            The users, with how many sessions each has open.

              dunning user list
            """)
        { json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var users = await new OpsUsers(database.Source, context.Time).ListAsync(ct);
            if (parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync(JsonSerializer.Serialize(users, s_json));
                return CommandLine.Ok;
            }
            foreach (var user in users)
            {
                var made = InstantPattern.General.Format(Postgres.Moments.Instant(user.MadeAt));
                await context.Output.WriteLineAsync(string.Create(
                    CultureInfo.InvariantCulture, $"{user.Name,-24} {user.Role,-9} {(user.IsDisabled ? "disabled" : "active"),-9} since {made}, {user.Sessions} sessions"));
            }
            if (users.Count == 0)
            {
                await context.Error.WriteLineAsync("no users yet: set one up with " + OpsGate.AddUser);
            }
            return CommandLine.Ok;
        });
        return command;
    }

    private static async Task<int> ToldAsync(CommandContext context, bool isDone, string user, string done)
    {
        if (!isDone)
        {
            await context.Error.WriteLineAsync($"there is no user '{user}'");
            return CommandLine.Wanting;
        }
        await context.Output.WriteLineAsync($"{user} {done}");
        return CommandLine.Ok;
    }

    // Typed twice without being shown, or one line from where it is kept.
    private static async Task<string> PasswordAsync(CommandContext context, FileInfo? file, string user, CancellationToken ct)
    {
        string password;
        if (file is not null)
        {
            try
            {
                password = (await File.ReadAllTextAsync(file.FullName, ct)).TrimEnd('\r', '\n');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandException($"the password's file can't be read: {e.Message}");
            }
        }
        else if (Console.IsInputRedirected)
        {
            password = await Console.In.ReadLineAsync(ct) ?? "";
        }
        else
        {
            password = await TypedAsync(context, $"password for {user}: ");
            if (password != await TypedAsync(context, "again: "))
            {
                throw new CommandException("these were two different passwords: nothing is changed");
            }
        }
        return Password.FaultOf(password) is { } fault ? throw new CommandException($"that password can't be taken: {fault}") : password;
    }

    private static async Task<string> TypedAsync(CommandContext context, string prompt)
    {
        await context.Error.WriteAsync(prompt);
        var typed = new StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key != ConsoleKey.Enter)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                typed.Length = Math.Max(0, typed.Length - 1);
            }
            else if (key.KeyChar >= ' ')
            {
                typed.Append(key.KeyChar);
            }
        }
        await context.Error.WriteLineAsync();
        return typed.ToString();
    }

    private static string NameOf(string typed) => OpsUsers.NameOf(typed) ?? throw new CommandException(
        $"'{typed}' can't be a user's name: it has up to 64 letters, digits, dots, hyphens, underscores and @, and begins with a letter or digit, such as anna; 'dunning' is the program itself");

    private static Mandate MandateOf(string? by, string? reason) => Mandate.TryMake(by, reason, out var mandate) ? mandate
        : throw new CommandException("--by needs 1 to 100 characters and --reason 1 to 500, without line breaks");

    private static Argument<string> NameArgument() => new("NAME") { Description = "As it is typed to sign in, and stands in the trail; case does not matter" };

    private static Option<FileInfo?> PasswordFileOption() => new("--password-file") { Description = "A file with the password, instead of being asked" };

    private static Option<string> ReasonOption(string standard) => new("--reason") { Description = "Why, for the audit", DefaultValueFactory = _ => standard };

    private static Option<string> ByOption() => new("--by") { Description = "Who does it, for the audit (default: this machine's user)", DefaultValueFactory = _ => Environment.UserName };
}
