using Dunning.Model;
using Dunning.Ops.Frame;
using NodaTime;

namespace Dunning.Ops.Pages;

/// <summary>Says on the pages of what it holds back that a guard has tripped, and leads to where it is approved.</summary>
internal static class GuardNotice
{
    /// <summary>Where guards are looked at and approved.</summary>
    public const string Path = "/ops/passes#guards";

    /// <summary>A line for the head of a list; nothing while that guard has not tripped.</summary>
    public static Html Of(Show show, IReadOnlyDictionary<GuardKinds, Instant> tripped, GuardKinds kind) => !tripped.TryGetValue(kind, out var since) ? Html.Empty : Html.Of(
        $"""
        <p class="told warning">{show.Words["guard.notice", ("kind", show.Words["guard." + Guards.NameOf(kind)])]} {show.Time(since)}. {Link(show.Words)}</p>

        """);

    /// <summary>The way there.</summary>
    public static Html Link(OpsWords words) => Show.Link(Path, words["guard.see"]);
}
