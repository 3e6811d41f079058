using System.Collections.Immutable;
using System.Globalization;
using Dunning.Gateways.Sandbox;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;
using Xunit;

namespace Dunning.Tests.Gateways;

/// <summary>What the sandbox promises, over any ledger: each has a class that says how to open one.</summary>
public abstract class SandboxLedgerContract : IAsyncLifetime
{
    private static readonly Money TenEuros = new(1000, Currency.Of("EUR"));

    private ISandboxLedger _ledger = null!;

    protected ISandboxLedger Ledger => _ledger;

    public virtual async Task InitializeAsync() => _ledger = await OpenAsync();

    public virtual Task DisposeAsync() => Task.CompletedTask;

    /// <summary>A ledger over this test's state; every call is as if from another process, where the kind of ledger allows for it.</summary>
    protected abstract Task<ISandboxLedger> OpenAsync();

    // Calls in turn, each with a key of its own: the answers, then what look-ups of the same keys find.
    // s succeeds, the first letter of a code declines, ? is unknown, - is not found.
    [Theory]
    [InlineData("sandbox_ok", "sss", "sss")]
    [InlineData("sandbox_decline_lost_card", "lll", "lll")]
    [InlineData("sandbox_decline_lost_card_x2", "lls", "lls")]
    [InlineData("sandbox_ok_x2_decline_do_not_honor", "ssd", "ssd")]
    [InlineData("sandbox_timeout_x2", "??s", "sss")]
    [InlineData("sandbox_drop_x2", "??s", "--s")]
    [InlineData("sandbox_drop_x1_decline_lost_card", "?ll", "-ll")]
    [InlineData("sandbox_lost_decline_lost_card_x2", "??s", "lls")]
    [InlineData("sandbox_sca", "aaa", "aaa")]
    public async Task Charge_CallsInTurn_FollowTheToken(string token, string answers, string found)
    {
        var gateway = Gateway();
        Assert.Equal(answers, await Letters(3, n => gateway.ChargeAsync(Request(Key(n), token), default)));
        Assert.Equal(found, await Letters(3, n => gateway.LookUpAsync(Request(Key(n), token), default)));
    }

    // One key sent again and again, then another key: a replay answers what is recorded, and is no call.
    [Theory]
    [InlineData("sandbox_ok_x1_decline_lost_card", "sss", "l")]
    [InlineData("sandbox_decline_lost_card_x1", "lll", "s")]
    [InlineData("sandbox_timeout_x1", "?ss", "s")]
    [InlineData("sandbox_timeout_x2", "?ss", "?")]
    [InlineData("sandbox_drop_x1", "?ss", "s")]
    [InlineData("sandbox_drop_x2", "??s", "s")] // a lost call is recorded under no key, so that sending it again is a call
    [InlineData("sandbox_drop_x3", "???", "s")]
    [InlineData("sandbox_drop_x2_decline_lost_card", "??l", "l")]
    [InlineData("sandbox_lost_decline_lost_card_x1", "?ll", "s")]
    [InlineData("sandbox_lost_decline_lost_card_x2", "?ll", "?")]
    public async Task Charge_SameKeyAgain_IsAReplayOnceAnswered(string token, string sameKey, string nextKey)
    {
        var gateway = Gateway();
        Assert.Equal(sameKey, await Letters(3, _ => gateway.ChargeAsync(Request("k", token), default)));
        Assert.Equal(nextKey, await Letters(1, _ => gateway.ChargeAsync(Request("next", token), default)));
    }

    [Fact]
    public async Task Charge_Sca_SucceedsOnceAuthenticated()
    {
        var gateway = Gateway();
        var before = Request("before", "sandbox_sca");
        Assert.Equal("a", Letter(await gateway.ChargeAsync(before, default)));
        Assert.Equal("s", Letter(await gateway.ChargeAsync(before with { Key = "after", Authenticated = true }, default)));
        Assert.Equal("a", Letter(await gateway.ChargeAsync(before with { Authenticated = true }, default))); // a replay of the old answer
    }

    [Fact]
    public async Task Charge_CountsArePerAccountMethodAndGeneration()
    {
        var gateway = Gateway();
        var request = Request("k1", "sandbox_decline_lost_card_x1");
        Assert.Equal("l", Letter(await gateway.ChargeAsync(request, default)));
        Assert.Equal("l", Letter(await gateway.ChargeAsync(request with { Key = "k2", Account = "other" }, default)));
        Assert.Equal("l", Letter(await gateway.ChargeAsync(request with { Key = "k3", Method = new("other", 0) }, default)));
        Assert.Equal("l", Letter(await gateway.ChargeAsync(request with { Key = "k4", Method = new("m", 1) }, default)));
        Assert.Equal("s", Letter(await gateway.ChargeAsync(request with { Key = "k5" }, default)));
    }

    [Fact]
    public async Task Charge_KeyOfAnotherRequest_IsRefusedAndNoCall()
    {
        var gateway = Gateway();
        var first = Request("k", "sandbox_ok_x2_decline_lost_card");
        Assert.Equal("s", Letter(await gateway.ChargeAsync(first, default)));
        foreach (var other in new[]
        {
            first with { Amount = TenEuros + TenEuros },
            first with { Amount = new Money(1000, Currency.Of("USD")) },
            first with { Method = new("m", 1) },
            first with { Method = new("m2", 0) },
            first with { Account = "other" },
        })
        {
            Assert.Equal(RefusalScope.Request, Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(other, default)).Scope);
        }
        Assert.Equal("s", Letter(await gateway.ChargeAsync(first with { Key = "k2" }, default)));
        Assert.Equal("l", Letter(await gateway.ChargeAsync(first with { Key = "k3" }, default)));
    }

    public static TheoryData<string, ChargeRequest> NoRequests => new()
    {
        { "foreign token", Request("k", "pm_1NfX") },
        { "no token", Request("k", "") },
        { "no key", Request("", "sandbox_ok") },
        { "long key", Request(new string('k', 256), "sandbox_ok") },
        { "NUL", Request("k\0", "sandbox_ok") },
        { "half a pair", Request("k", "sandbox_ok") with { Account = "\ud83d" } },
        { "no method", Request("k", "sandbox_ok") with { Method = new("", 0) } },
        { "nothing", Request("k", "sandbox_ok") with { Amount = Money.Zero(Currency.Of("EUR")) } },
        { "less", Request("k", "sandbox_ok") with { Amount = new Money(-1, Currency.Of("EUR")) } },
    };

    [Theory]
    [MemberData(nameof(NoRequests), DisableDiscoveryEnumeration = true)]
    public async Task Charge_NoRequestOfOurs_IsRefusedAndUnknownToLookUps(string what, ChargeRequest request)
    {
        var gateway = Gateway();
        var refused = Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(request, default));
        Assert.True(refused.Scope == RefusalScope.Request, what);
        Assert.Null(await gateway.LookUpAsync(request, default));
        Assert.Empty(await AllAsync(Ledger));
    }

    [Fact]
    public async Task Charge_LongestAndOddestTexts_AreTaken()
    {
        var request = Request(string.Concat(Enumerable.Repeat("\U0001F600", 127)), "sandbox_ok") with
        {
            Account = string.Concat(Enumerable.Repeat("ẞ", 200)),
            Method = new("{\"'\\,}", 3),
            Amount = new Money(Money.MaxInputMinor, Currency.Of("KWD")),
        };
        Assert.Equal("s", Letter(await Gateway().ChargeAsync(request, default)));
        var call = Assert.Single(await AllAsync(Ledger));
        Assert.Equal(new SandboxCall(request.Key, request.Account, request.Method, request.Amount, null, 1, null), call);
    }

    [Fact]
    public async Task LookUp_KeyNeverSent_IsNotFound()
    {
        Assert.Null(await Gateway().LookUpAsync(Request("k", "sandbox_ok"), default));
    }

    [Fact]
    public async Task Refund_OfASuccess_IsDoneOnce()
    {
        var gateway = Gateway();
        var charge = Request("k", "sandbox_ok");
        Assert.False(await gateway.RefundAsync(charge, "r", default)); // nothing was taken yet
        await gateway.ChargeAsync(charge, default);
        Assert.True(await gateway.RefundAsync(charge, "r", default));
        Assert.True(await gateway.RefundAsync(charge, "r", default));
        Assert.True(await gateway.RefundAsync(charge, "another key", default)); // the money is back: it goes back once
        Assert.Equal("r", Assert.Single(await AllAsync(Ledger)).RefundKey);
    }

    [Fact]
    public async Task Refund_OfNoSuccess_IsNotDone()
    {
        var gateway = Gateway();
        var ok = Request("ok", "sandbox_ok");
        var other = ok with { Key = "other" };
        var declined = Request("declined", "sandbox_decline_lost_card") with { Method = new("m2", 0) };
        await gateway.ChargeAsync(ok, default);
        await gateway.ChargeAsync(other, default);
        await gateway.ChargeAsync(declined, default);
        Assert.False(await gateway.RefundAsync(declined, "r", default));
        Assert.False(await gateway.RefundAsync(ok with { Amount = TenEuros + TenEuros }, "r", default));
        Assert.False(await gateway.RefundAsync(ok with { Account = "other" }, "r", default));
        Assert.True(await gateway.RefundAsync(ok, "r", default));
        Assert.False(await gateway.RefundAsync(other, "r", default)); // that key is another refund's
        Assert.Single(await AllAsync(Ledger), call => call.RefundKey is not null);
    }

    [Fact]
    public async Task Detach_Method_RefusesCallsButAnswersReplays()
    {
        var gateway = Gateway();
        var method = new PaymentMethod { Id = "m", Token = "sandbox_timeout_x1" };
        var before = Request("before", method.Token);
        Assert.Equal("?", Letter(await gateway.ChargeAsync(before, default)));
        Assert.True(await gateway.DetachAsync("a", method, default));
        Assert.True(await gateway.DetachAsync("a", method, default));
        var refused = Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(before with { Key = "after" }, default));
        Assert.Equal(RefusalScope.Method, refused.Scope);
        Assert.Equal("s", Letter(await gateway.ChargeAsync(before, default)));
        Assert.Equal("s", Letter(await gateway.LookUpAsync(before, default)));
        Assert.Equal("s", Letter(await gateway.ChargeAsync(before with { Key = "new", Method = new("m", 1), Token = "sandbox_ok" }, default)));
    }

    [Fact]
    public async Task Detach_MethodNeverCharged_IsDone()
    {
        Assert.True(await Gateway().DetachAsync("a", new PaymentMethod { Id = "unseen", Token = "sandbox_ok" }, default));
    }

    [Fact]
    public async Task Charge_200CallersWithOneKey_IsOneCall()
    {
        var other = Gateway(await OpenAsync());
        var gateway = Gateway();
        var request = Request("k", "sandbox_ok_x1_decline_lost_card");
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(n =>
            Task.Run(() => (n % 2 == 0 ? gateway : other).ChargeAsync(request, default))));
        Assert.All(answers, answer => Assert.Equal("s", Letter(answer)));
        Assert.Equal(1, Assert.Single(await AllAsync(Ledger)).CallNumber);
        Assert.Equal("l", Letter(await gateway.ChargeAsync(request with { Key = "next" }, default)));
    }

    [Fact]
    public async Task Charge_200CallersOnOneMethod_AreNumberedWithoutGapOrDouble()
    {
        var other = Gateway(await OpenAsync());
        var gateway = Gateway();
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(n =>
            Task.Run(() => (n % 2 == 0 ? gateway : other).ChargeAsync(Request(Key(n), "sandbox_decline_lost_card_x70"), default))));
        Assert.Equal(70, answers.Count(answer => Letter(answer) == "l"));
        Assert.Equal(130, answers.Count(answer => Letter(answer) == "s"));
        Assert.Equal(Enumerable.Range(1, 200).Select(n => (long)n), (await AllAsync(Ledger)).Select(call => call.CallNumber).Order());
    }

    // Replays, lost calls and calls on shared methods from two processes, with an auditor who knows the rules alone.
    [Fact]
    public async Task Charge_SeededMixFromTwoProcesses_AddsUp()
    {
        const int seed = 20260301;
        var random = new Random(seed);
        string[] tokens = ["sandbox_ok", "sandbox_drop_x40", "sandbox_timeout_x9", "sandbox_decline_lost_card_x30", "sandbox_lost_decline_lost_card_x5"];
        var gateways = new[] { Gateway(), Gateway(await OpenAsync()) };
        var requests = Enumerable.Range(0, 2000).Select(_ =>
        {
            var key = random.Next(600);
            var method = key % 20;
            return Request(Key(key), tokens[method % tokens.Length]) with { Method = new(Key(method), 0) };
        }).ToImmutableArray();
        var answers = await Task.WhenAll(requests.Select((request, n) => Task.Run(() => gateways[n % 2].ChargeAsync(request, default))));

        var calls = (await AllAsync(Ledger)).ToDictionary(call => call.Key);
        for (var i = 0; i < requests.Length; i++)
        {
            if (answers[i] is GatewayOutcome.Unknown)
            {
                continue;
            }
            Assert.Equal(answers[i], calls[requests[i].Key].Outcome);
        }
        foreach (var method in calls.Values.GroupBy(call => call.Method))
        {
            var token = tokens[int.Parse(method.Key.Id, CultureInfo.InvariantCulture) % tokens.Length];
            var lost = token.StartsWith("sandbox_drop", StringComparison.Ordinal) ? 40 : 0;
            Assert.Equal(
                Enumerable.Range(lost + 1, method.Count()).Select(n => (long)n), method.Select(call => call.CallNumber).Order());
            Assert.True(SandboxToken.TryParse(token, out var rule));
            Assert.All(method, call => Assert.Equal(rule.FateOf(call.CallNumber, false).Code, call.Code));
        }
    }

    // Different locks, one key: the unique key decides, and the loser is told that the key is another's.
    [Fact]
    public async Task Charge_OneKeyOnManyMethods_IsTakenOnOneAndRefusedOnTheOthers()
    {
        var gateways = new[] { Gateway(), Gateway(await OpenAsync()) };
        for (var round = 0; round < 20; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(() => gateways[n % 2].ChargeAsync(
                Request(Key(round), "sandbox_ok_x20_decline_lost_card") with { Method = new(Key(n), 0) }, default))));
            Assert.Single(answers, answer => answer is GatewayOutcome.Succeeded);
            Assert.Equal(15, answers.Count(answer => answer is GatewayOutcome.Refused { Scope: RefusalScope.Request }));
        }
        var calls = await AllAsync(Ledger);
        Assert.Equal(20, calls.Count);
        Assert.All(calls.GroupBy(call => call.Method), method => Assert.Equal(
            Enumerable.Range(1, method.Count()).Select(n => (long)n), method.Select(call => call.CallNumber).Order()));
    }

    [Fact]
    public async Task Charge_CanceledBefore_IsUnknownAndNotSent()
    {
        var gateway = Gateway();
        using var canceled = new CancellationTokenSource();
        await canceled.CancelAsync();
        var request = Request("k", "sandbox_ok");
        Assert.Equal("?", Letter(await gateway.ChargeAsync(request, canceled.Token)));
        Assert.Equal("?", Letter(await gateway.LookUpAsync(request, canceled.Token)));
        Assert.False(await gateway.RefundAsync(request, "r", canceled.Token));
        Assert.False(await gateway.DetachAsync("a", new PaymentMethod { Id = "m", Token = "sandbox_ok" }, canceled.Token));
        Assert.Null(await gateway.LookUpAsync(request, default));
    }

    [Fact]
    public async Task Charge_CanceledWhileTheAnswerIsOnItsWay_IsUnknownButTaken()
    {
        var time = new ManualTime();
        var gateway = new SandboxGateway(Ledger, new SandboxOptions { Latency = TimeSpan.FromSeconds(1) }, time);
        using var cancel = new CancellationTokenSource();
        var request = Request("k", "sandbox_ok");
        var answer = gateway.ChargeAsync(request, cancel.Token);
        await UntilAsync(() => time.Waiting == 1);
        Assert.NotNull(await Ledger.FindAsync("k", default)); // committed before the latency begins
        await cancel.CancelAsync();
        Assert.Equal("?", Letter(await answer));
        Assert.Equal("s", Letter(await Gateway().LookUpAsync(request, default)));
    }

    [Fact]
    public async Task Charge_Latency_IsWaitedForOnTheClockGiven()
    {
        var time = new ManualTime();
        var gateway = new SandboxGateway(Ledger, new SandboxOptions { Latency = TimeSpan.FromSeconds(1) }, time);
        var answer = gateway.ChargeAsync(Request("k", "sandbox_ok"), default);
        await UntilAsync(() => time.Waiting == 1);
        time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(answer.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal("s", Letter(await answer));
    }

    [Fact]
    public async Task Fence_KeepsALateCallOut_AndTellsOfOneThatCameBefore()
    {
        var gateway = Gateway();
        var late = Request("late", "sandbox_ok_x1_decline_lost_card");
        Assert.IsType<GatewayOutcome.NeverMade>(await gateway.FenceAsync(late, default));
        Assert.IsType<GatewayOutcome.NeverMade>(await gateway.FenceAsync(late, default));
        Assert.Equal(RefusalScope.Request, Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(late, default)).Scope);
        Assert.Null(await gateway.LookUpAsync(late, default));
        Assert.Empty(await AllAsync(Ledger)); // no money, and no call on the method: the next one is its first

        Assert.Equal("s", Letter(await gateway.ChargeAsync(late with { Key = "early" }, default)));
        Assert.Equal("s", Letter(await gateway.FenceAsync(late with { Key = "early" }, default)));
        Assert.Equal("l", Letter(await gateway.ChargeAsync(late with { Key = "next" }, default)));
        Assert.Equal("l", Letter(await gateway.FenceAsync(late with { Key = "next" }, default)));
        Assert.Equal("s", Letter(await gateway.ChargeAsync(late with { Key = "early" }, default))); // a replay, as before
    }

    [Fact]
    public async Task Fence_BesideItsCall_LetsOneOfThemWin()
    {
        // Each from a process of its own, where the kind of ledger allows for it.
        var (here, there) = (Gateway(), Gateway(await OpenAsync()));
        for (var n = 0; n < 40; n++)
        {
            var request = Request(Key(n), "sandbox_ok");
            var charging = Task.Run(() => here.ChargeAsync(request, default));
            var fence = await there.FenceAsync(request, default);
            var charged = await charging;
            Assert.Equal(charged is GatewayOutcome.Succeeded, fence is GatewayOutcome.Succeeded);
            Assert.Equal(charged is GatewayOutcome.Refused, fence is GatewayOutcome.NeverMade);
        }
    }

    [Fact]
    public async Task Calls_OfEveryKind_AreListedInOrderOfTheirKeys()
    {
        var gateway = Gateway();
        await gateway.ChargeAsync(Request("b", "sandbox_timeout_x1"), default);
        await gateway.ChargeAsync(Request("B", "sandbox_drop_x1") with { Method = new("m2", 0) }, default);
        await gateway.ChargeAsync(Request("a", "sandbox_decline_lost_card") with { Method = new("m3", 2), Account = "z" }, default);
        await gateway.ChargeAsync(Request("Z", "sandbox_ok") with { Method = new("m4", 0) }, default);
        await gateway.RefundAsync(Request("b", "sandbox_timeout_x1"), "r", default);
        Assert.Equal(
            [
                new SandboxCall("Z", "a", new("m4", 0), TenEuros, null, 1, null),
                new SandboxCall("a", "z", new("m3", 2), TenEuros, "lost_card", 1, null),
                new SandboxCall("b", "a", new("m", 0), TenEuros, null, 1, "r"),
            ],
            await AllAsync(Ledger));
        Assert.Equal(new Dictionary<string, int> { ["a"] = 2 }, await Ledger.SuccessesByAccountAsync(default));
    }

    protected static ChargeRequest Request(string key, string token) =>
        new("a", null, key, "a-1", new LocalDate(2026, 3, 1), TenEuros, new MethodRef("m", 0), token, false, Instant.FromUtc(2026, 3, 1, 8, 0));

    protected static string Key(int n) => n.ToString(CultureInfo.InvariantCulture);

    protected static SandboxGateway Gateway(ISandboxLedger ledger) => new(ledger, new SandboxOptions(), TimeProvider.System);

    protected SandboxGateway Gateway() => Gateway(Ledger);

    protected static string Letter(GatewayOutcome? outcome) => outcome switch
    {
        null => "-",
        GatewayOutcome.Succeeded => "s",
        GatewayOutcome.Declined declined => declined.Code[..1],
        GatewayOutcome.Unknown => "?",
        _ => "!",
    };

    protected static async Task<List<SandboxCall>> AllAsync(ISandboxLedger ledger)
    {
        var all = new List<SandboxCall>();
        await foreach (var call in ledger.CallsAsync(default))
        {
            all.Add(call);
        }
        return all;
    }

    protected static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; !condition(); i++)
        {
            Assert.True(i < 2000, "waited for 20 seconds");
            await Task.Delay(10);
        }
    }

    private static async Task<string> Letters<T>(int count, Func<int, Task<T>> ask)
        where T : GatewayOutcome?
    {
        var letters = "";
        for (var n = 0; n < count; n++)
        {
            letters += Letter(await ask(n));
        }
        return letters;
    }
}

public sealed class MemoryLedgerTests : SandboxLedgerContract
{
    private readonly MemoryLedger _one = new();

    protected override Task<ISandboxLedger> OpenAsync() => Task.FromResult<ISandboxLedger>(_one);
}
