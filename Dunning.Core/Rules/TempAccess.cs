using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;

namespace Dunning.Rules;

/// <summary>RULES 6: the end of temporary access.</summary>
internal static class TempAccess
{
    /// <summary>Phase 4.</summary>
    public static void Phase(Draft draft)
    {
        if (draft.File is { Access: Access.Limited, AccessUntil: { } until } && until <= draft.Now)
        {
            draft.File = draft.File with { Access = Access.Suspended, AccessUntil = null };
            draft.Tell(draft.New(EventTypes.AccountAccessEnded));
        }
    }
}
