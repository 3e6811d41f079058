using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Passes;
using Dunning.Tests.Gateways;
using Dunning.Tests.Mail;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dunning.Tests.Jobs;

/// <summary>A mail server that does whatever servers do, for days: no mail is lost, none comes twice but where nobody could know, and that is counted.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class MisbehavingServerTests
{
    [Fact]
    public async Task Every_mail_arrives_and_only_the_unknowable_twice()
    {
        var (random, isKind, lost, stalls, step) = (new Random(11), false, 0, 0, new Lock());
        await using var server = new ScriptedSmtpServer(Misbehave);
        await using var rig = await ServiceRig.NewAsync(
            16, ("Mail:Transport", "smtp"), ("Mail:From", "billing@acme.example"), ("Mail:Smtp:Host", "127.0.0.1"), ("Mail:Smtp:Security", "none"),
            ("Mail:Smtp:Port", server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture)), ("Mail:Smtp:TimeoutSeconds", "10"));
        var time = new ManualTime();
        time.Advance(TimeProvider.System.GetUtcNow() - time.GetUtcNow());
        await using var engine = await Engine.OpenAsync(rig.Database, rig.Settings, time, NullLoggerFactory.Instance, takesOver: true, default);
        var uncertain = 0;
        await RunAsync(PassKind.Mail, PassKind.All);
        for (var round = 0; round < 4; round++)
        {
            time.Advance(TimeSpan.FromHours(1));
            await RunAsync(PassKind.Mail);
        }
        // Twice: a connection that died last is found out by its next mail. On a busy machine a mail may not get ready within its time, and comes again.
        isKind = true;
        for (var round = 0; round < 2 || (round < 10 && await rig.ScalarAsync<bool>("select exists (select from dunning.outbox where state = 'pending')")); round++)
        {
            time.Advance(TimeSpan.FromDays(1));
            await RunAsync(PassKind.Mail);
        }

        Assert.Equal(16, await rig.ScalarAsync<int>("select count(*)::int from dunning.outbox where state = 'accepted'"));
        Assert.Equal(16, await rig.ScalarAsync<int>("select count(*)::int from dunning.outbox"));
        var copies = server.Taken.GroupBy(t => MessageId().Match(t.Data).Groups[1].Value).Select(g => g.Count()).ToList();
        Assert.Equal(16, copies.Count);
        // As often as a message was taken without a word, and never else; each of these was told.
        Assert.True(lost > 0);
        Assert.Equal(lost, copies.Sum(n => n - 1));
        Assert.InRange(uncertain, lost, int.MaxValue);

        async Task RunAsync(params PassKind[] passes)
        {
            foreach (var pass in passes)
            {
                var report = await engine.RunAsync(pass, default);
                Assert.Empty(report.Faults);
                uncertain += report.UncertainMails;
            }
        }

        string? Misbehave(string command)
        {
            lock (step)
            {
                if (isKind)
                {
                    return null;
                }
                var answer = random.Next(16) switch
                {
                    0 => "421 4.3.2 shutting down",
                    1 => "450 4.2.0 later",
                    2 => ScriptedSmtpServer.Cut,
                    3 when stalls++ < 2 => ScriptedSmtpServer.Stall,
                    4 when command.StartsWith("MAIL", StringComparison.Ordinal) => "550 5.7.1 not from you",
                    5 or 6 when command == "." => ScriptedSmtpServer.Lost,
                    // Which mail is given which number is the threads' business: one is lost for certain.
                    _ => command == "." && lost == 0 ? ScriptedSmtpServer.Lost : null,
                };
                lost += answer == ScriptedSmtpServer.Lost ? 1 : 0;
                return answer;
            }
        }
    }

    [GeneratedRegex(@"Message-ID: <([^>]+)>", RegexOptions.IgnoreCase)]
    private static partial Regex MessageId();
}
