using System.CommandLine;
using System.CommandLine.Help;
using System.Globalization;
using Dunning.Gateways;
using Dunning.Hosting;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Postgres.Embedded;
using Npgsql;

namespace Dunning.Commands;

/// <summary>The program's commands. Exit codes: 0 done, 1 it was found wanting (differences, faults, rejected), 2 it could not be done.</summary>
public static class CommandLine
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>Differences, faults in the input, a rejected action, a pass with failures.</summary>
    public const int Wanting = 1;

    /// <summary>Configuration, database or usage stand in the way.</summary>
    public const int Failed = 2;

    /// <summary>Parses and runs. Output goes to <paramref name="output"/>, errors and progress to <paramref name="error"/>.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        if (args is ["--version"])
        {
            await output.WriteLineAsync(BuildInfo.Description);
            return Ok;
        }
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var root = Root(output, error);
        var parsed = root.Parse(args);
        var configuration = new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            // A pass ends with its batch, and the private server is stopped: both take longer than the default of two seconds.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(30),
        };
        try
        {
            var code = await parsed.InvokeAsync(configuration);
            return parsed.Errors.Count > 0 ? Failed : code;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("stopped");
            return 130;
        }
        catch (Exception e) when (Explain(e) is { } text)
        {
            await error.WriteLineAsync("dunning: " + text);
            return Failed;
        }
    }

    /// <summary>The root command with everything below it.</summary>
    internal static Command Root(TextWriter output, TextWriter error)
    {
        var shared = new SharedOptions();
        var context = new CommandContext(shared, output, error, TimeProvider.System);
        // By the name that the manual calls it, whatever its file is called.
        var root = new Command(
            "dunning",
            """
            Renews subscriptions, charges, retries failed payments on a schedule, mails the billing contacts, suspends, and purges.

            Without a connection string (ConnectionStrings:Dunning) it keeps its book in a private PostgreSQL that it starts itself.
            Try it:  dunning demo
                     dunning simulate books/tour
            """);
        root.Add(new HelpOption());
        root.Add(new VersionOption());
        foreach (var option in shared.All)
        {
            root.Add(option);
        }
        var run = RunCommand.Create(context);
        root.Add(run);
        root.Add(MigrateCommand.Create(context));
        root.Add(LinksCommand.Create(context));
        root.Add(ImportCommand.Create(context));
        root.Add(SimulateCommand.Create(context));
        root.Add(ActCommand.Create(context));
        root.Add(PassCommand.Create(context));
        root.Add(ShowCommand.Create(context));
        root.Add(InvoicesCommand.Create(context));
        root.Add(OperatorCommands.Charge(context));
        root.Add(OperatorCommands.Invoice(context));
        root.Add(OperatorCommands.Case(context));
        root.Add(OperatorCommands.Account(context));
        root.Add(AuditCommand.Create(context));
        root.Add(UserCommand.Create(context));
        root.Add(GuardCommand.Create(context));
        root.Add(HousekeepingCommand.Create(context));
        root.Add(DemoCommand.Create(context));
        root.Add(MailCommand.Create(context));
        root.Add(GatewayCommand.Create(context));
        root.Add(EnvironmentCommand.Create(context));
        root.Add(WebhooksCommand.Create(context));
        root.Add(ConfigCommand.Create(context));
        root.Add(DoctorCommand.Create(context));
        root.Add(HealthCommand.Create(context));
        root.Add(ServiceCommand.Create(context));
        root.Add(BenchCommand.Create(context));
        root.SetAction((parsed, ct) => RunCommand.RunAsync(context, parsed, ct));
        return root;
    }

    /// <summary><c>--limit</c>: so many at most.</summary>
    internal static Option<int> LimitOption(string description, int standard)
    {
        var limit = new Option<int>("--limit") { Description = description, DefaultValueFactory = _ => standard };
        limit.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<int>() is < 1 or > 1_000_000)
            {
                result.AddError("--limit must be from 1 to 1000000");
            }
        });
        return limit;
    }

    // What a person can mend is told in a line; anything else is a bug and keeps its stack.
    internal static string? Explain(Exception e) => e switch
    {
        CommandException or NoPostgresException or EmbeddedServerException or SchemaException or ConfigurationMismatchException
            or GatewayBindingException or EnvironmentException or GatewayListException or ListenException or InvalidDatabaseException => e.Message,
        KeyNotFoundException => e.Message,
        NpgsqlException { InnerException: System.Net.Sockets.SocketException socket } =>
            $"the database does not answer: {socket.Message}. Check ConnectionStrings:Dunning, and that PostgreSQL runs there.",
        PostgresException { SqlState: "28P01" or "28000" } => "the database refuses the user or the password of ConnectionStrings:Dunning",
        PostgresException { SqlState: "42501" } denied => $"the user of ConnectionStrings:Dunning may not do that: {denied.MessageText}",
        PostgresException { SqlState: "3D000" } database => $"{database.MessageText}. Make it with: createdb NAME",
        _ => null,
    };
}

/// <summary>Something that a person can mend: told in a line, exit code 2.</summary>
public sealed class CommandException(string message) : Exception(message);
