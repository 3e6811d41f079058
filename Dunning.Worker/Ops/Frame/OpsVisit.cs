using Microsoft.AspNetCore.Http.Features;
using NodaTime;

namespace Dunning.Ops.Frame;

/// <summary>Something to tell on the next page, once.</summary>
/// <param name="Text">In the reader's language.</param>
/// <param name="IsFault">It did not work.</param>
internal sealed record OpsFlash(string Text, bool IsFault = false);

/// <summary>A form that could not be carried out as it was filled in: the page that answers it tells why, and shows it as it was.</summary>
/// <param name="Fault">Why, in the reader's language.</param>
/// <param name="Path">Where it was sent to.</param>
/// <param name="Fields">What was typed.</param>
internal sealed record OpsTyped(string Fault, string Path, IFormCollection Fields)
{
    /// <summary>The same where it is that form, sent to that path with these fields.</summary>
    public OpsTyped? If(string path, params ReadOnlySpan<(string Name, string Value)> fields)
    {
        foreach (var (name, value) in fields)
        {
            if (Fields[name] != value)
            {
                return null;
            }
        }
        return Path == path ? this : null;
    }
}

/// <summary>One request of somebody who is signed in.</summary>
internal abstract class OpsVisit
{
    /// <summary>Who is there.</summary>
    public abstract OpsUser User { get; }

    /// <summary>The texts in their language.</summary>
    public abstract OpsWords Words { get; }

    /// <summary>The zone in which they are told the time.</summary>
    public abstract DateTimeZone Zone { get; }

    /// <summary>What each form of theirs holds, so that no other page can send one.</summary>
    public abstract string FormToken { get; }

    /// <summary>What the page before has left to tell.</summary>
    public abstract OpsFlash? Flash { get; }

    /// <summary>The form that this request could not carry out; null: there is none.</summary>
    public OpsTyped? Typed { get; set; }

    /// <summary>Leaves something to be told on the page that is seen next.</summary>
    public abstract Task TellAsync(OpsFlash flash, CancellationToken ct);
}

/// <summary>Where pages find who is there.</summary>
internal static class OpsVisits
{
    /// <summary>Who is there. Only on routes that need a role: on others it throws.</summary>
    public static OpsVisit Ops(this HttpContext http) => http.Features.GetRequiredFeature<OpsVisit>();

    /// <summary>Who is there, or null.</summary>
    public static OpsVisit? OpsOrNobody(this HttpContext http) => http.Features.Get<OpsVisit>();
}
