using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Gateways;
using Dunning.Hosting;
using Dunning.Hosting.Doctor;
using Dunning.Mail;
using Npgsql;

namespace Dunning.Commands;

/// <summary><c>doctor</c>: looks at everything that the service depends on, and says what to do about what it finds.</summary>
internal static class DoctorCommand
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create(CommandContext context)
    {
        var json = new Option<bool>("--json") { Description = "As JSON" };
        var command = new Command("doctor",
            """
            Look at the settings, the database (version, schema, rights, clock), the gateway's key and mode, the mail server (up to the sign-in; no mail is
            sent), the sender's domain in the DNS, folders, disk, languages and time zones; and say what to do about each finding. Nothing is changed.
            Exit code 1 with a fault, 0 without, also with warnings.
            """)
        { json };
        command.SetAction(async (parsed, ct) =>
        {
            var findings = await ExamineAsync(context, parsed, ct);
            if (parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync(JsonSerializer.Serialize(
                    findings.Select(f => new { f.Area, Level = f.Level.ToString().ToLowerInvariant(), f.Says, f.Fix }), s_json).AsMemory(), ct);
            }
            else
            {
                await WriteAsync(context, findings);
            }
            return findings.Any(f => f.Level == FindingLevel.Fault) ? CommandLine.Wanting : CommandLine.Ok;
        });
        return command;
    }

    private static async Task<IReadOnlyList<Finding>> ExamineAsync(CommandContext context, ParseResult parsed, CancellationToken ct)
    {
        var (_, faults) = WorkerSettings.Read(context.Configure(parsed));
        if (faults.Length > 0)
        {
            return [.. faults.Select(f => Finding.Fault("settings", f, "'config show' tells where each was given, 'config reference' what is allowed"))];
        }
        var settings = context.ReadSettings(parsed);
        var findings = new List<Finding> { Finding.Ok("settings", "no faults") };
        findings.AddRange(await DatabaseAsync(context, settings, ct));
        findings.Add(await GatewayCheck.LookAsync(settings, context.Time, ct));
        if (settings.Mail is { Transport: MailWay.Smtp, Smtp: { } smtp })
        {
            findings.AddRange(await SmtpProbe.TryAsync(smtp, context.Time, ct));
            findings.AddRange(await SenderDomain.LookAsync(settings.Mail, DnsClient.OfMachine(), ct));
        }
        else
        {
            findings.Add(Finding.Warning("mail server", $"mails become files in {settings.Mail.PickupFolder}: nobody gets them", "Mail:Transport=smtp with Mail:From and Mail:Smtp:Host"));
        }
        findings.AddRange(MachineCheck.Look(settings));
        return findings;
    }

    // Whatever it is that stands in the way: the other checks go on.
    private static async Task<IReadOnlyList<Finding>> DatabaseAsync(CommandContext context, WorkerSettings settings, CancellationToken ct)
    {
        var findings = new List<Finding>();
        try
        {
            await using var database = await Database.OpenAsync(settings, ct);
            findings.AddRange(await DatabaseCheck.LookAsync(database, settings, context.Time, ct));
            if (findings.All(f => f.Area != "schema" || f.Level == FindingLevel.Ok))
            {
                var store = new Postgres.PostgresSettings(database.Source);
                if (await store.GetAsync(Postgres.PostgresSettings.Gateway, ct) is null || await store.GetAsync(Postgres.PostgresSettings.Rules, ct) is null)
                {
                    // Opening it would bind it to this gateway and these rules for good.
                    findings.Add(Finding.Ok("environment", $"the database belongs to no gateway yet; the first 'run' binds it to {settings.Payments.Gateway}"));
                    return findings;
                }
                using var loggers = CommandContext.QuietLoggers();
                await using var engine = await Engine.OpenAsync(database, settings, context.Time, loggers, takesOver: false, ct);
                findings.AddRange(await GatewayCheck.LookAsync(engine, ct));
            }
        }
        catch (GatewayBindingException e)
        {
            findings.Add(Finding.Fault("environment", e.Says, e.Fix));
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or IOException || CommandLine.Explain(e) is not null)
        {
            findings.Add(Finding.Fault("database", CommandLine.Explain(e) ?? e.Message, "check ConnectionStrings:Dunning, pg_hba.conf, and that PostgreSQL runs and lets this machine in"));
        }
        return findings;
    }

    private static async Task WriteAsync(CommandContext context, IReadOnlyList<Finding> findings)
    {
        var width = findings.Max(f => f.Area.Length);
        foreach (var finding in findings)
        {
            var mark = finding.Level switch { FindingLevel.Ok => "ok     ", FindingLevel.Warning => "warning", FindingLevel.Fault => "FAULT  " };
            await context.Output.WriteLineAsync($"{mark}  {finding.Area.PadRight(width)}  {finding.Says}");
            if (finding.Fix is { } fix)
            {
                await context.Output.WriteLineAsync($"{new string(' ', width + 9)}  -> {fix}");
            }
        }
        var (faults, warnings) = (findings.Count(f => f.Level == FindingLevel.Fault), findings.Count(f => f.Level == FindingLevel.Warning));
        await context.Output.WriteLineAsync(FormattableString.Invariant($"{faults} {(faults == 1 ? "fault" : "faults")}, {warnings} {(warnings == 1 ? "warning" : "warnings")}"));
    }
}
