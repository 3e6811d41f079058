using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Passes;
using Dunning.Tests.Jobs;
using Microsoft.Extensions.DependencyInjection;

namespace Dunning.Tests.Ops.Signals;

/// <summary>One running service for the tests that only look at it.</summary>
public sealed class SignalsFixture : IAsyncLifetime
{
    /// <summary>What others must bring to <c>/metrics</c>.</summary>
    public const string Token = "0123456789abcdef0123";

    internal ServiceRig Rig { get; private set; } = null!;

    internal Service Service { get; private set; } = null!;

    internal HttpClient Http { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Rig = await ServiceRig.NewAsync(accounts: 3, ("Telemetry:MetricsToken", Token));
        Service = await Rig.StartAsync();
        Http = new HttpClient { BaseAddress = new Uri(Service.Addresses.First()) };
        await Rig.WaitAsync(async () => await Rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 3);
        // The receipts were decided by another pass, perhaps after this one's run.
        await Service.Services.GetRequiredService<PassWorker>().RunAsync(PassKind.Mail, default, callsHelpers: false);
        await Rig.WaitAsync(async () => await Rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'accepted'") == 3);
        // All passes have ended once, so that what they counted stands.
        await Rig.WaitAsync(async () => await Rig.ScalarAsync<long>("select count(*) from dunning.pass_state where ended_at is not null") == 7);
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        await Service.DisposeAsync();
        await Rig.DisposeAsync();
    }
}
