using Dunning.Gateways.Sandbox;
using Dunning.Mail;
using Dunning.Passes;
using Dunning.Rules;
using Dunning.Simulation;
using Dunning.Tests.Commands;

namespace Dunning.Tests.Rules;

public sealed class ForecastTests
{
    /// <summary>The forecast and <c>due</c> are written apart; if one of them forgets something, the other one knows.</summary>
    [Fact]
    public async Task Of_EveryAccountOnEveryDayOfTheTour_BeginsWhereDueDoes()
    {
        var book = await TourBook.ReadAsync();
        var rules = new Rulebook(book.Options, book.Catalog, "test");
        var memory = new MemoryBook();
        await foreach (var account in book.AccountsAsync())
        {
            memory.Add(account.File, Pass.DueOf(account.File, book.KnownAt, rules));
        }
        var looked = 0;
        var simulator = new Simulator(
            memory, rules, new SandboxGateway(new MemoryLedger(), new SandboxOptions(), TimeProvider.System), new SinkMailer(), book.Span!, new PassLimits())
        {
            OnTick = (now, events, _) =>
            {
                foreach (var file in memory.Accounts.Where(f => events.Count > 0 || now.InUtc().Hour == 12))
                {
                    looked++;
                    Assert.Equal(
                        (file.Id, now, Pass.DueOf(file, now, rules)[PassKind.All]),
                        (file.Id, now, Forecast.Of(file, now, rules).Select(p => p.At).Min()));
                }
                return Task.CompletedTask;
            },
        };

        await simulator.RunAsync(book.Actions, default);

        Assert.True(looked > 5000, $"looked only {looked} times");
    }
}
