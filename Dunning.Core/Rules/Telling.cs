using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;

namespace Dunning.Rules;

/// <summary>What a gateway tells by itself: late, twice and out of order, so that each news is weighed against what is known.</summary>
internal static class Telling
{
    /// <summary>Takes the news in, or finds nothing in it that is new.</summary>
    public static void Hear(Draft draft, GatewayNews news)
    {
        switch (news)
        {
            case GatewayNews.Settled settled when draft.File.Charges.FirstOrDefault(c => c.Key == settled.Key) is { } charge:
                Charging.Settled(draft, charge, settled.Outcome);
                break;
        }
    }
}
