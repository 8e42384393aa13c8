"""Comments, watches and notifications."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

from modelyard.sdk.http import at, if_match
from modelyard.sdk.session import Feature
from modelyard.wire import comments as wire
from modelyard.wire.overview import Need, NeedList, NeedQuery


class Comments(Feature):
    """`client.comments`."""

    def list(
        self, model: str, *, version: int | None = None, promotion: int | None = None, limit: int | None = None
    ) -> Iterator[wire.Comment]:
        """Return the comments on a model, oldest first. Deleted comments come without their text.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            version: Only comments on this version; None: no condition.
            promotion: Only comments on this promotion; None: no condition.
            limit: Return at most this many; None: all.

        Returns:
            One comment at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [comment.author for comment in client.comments.list("fraud/scorer", version=12)]
            ['ada', 'grace']
        """
        query = wire.CommentQuery(version=version, promotion=promotion)
        return self._items(self._model(model, "comments"), query, wire.CommentPage, limit)

    def write(
        self, model: str, body: str, *, version: int | None = None, promotion: int | None = None
    ) -> wire.Comment:
        """Write a comment on a model, on one of its versions, or on a promotion.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            body: Text in Markdown; `@name` notifies an account, or all members of a group.
            version: Number of the version; None: the model as a whole.
            promotion: Number of the promotion; None: not on a promotion.

        Returns:
            The new comment.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.
            VersionNotFound: There is no such version, or you may not see it.
            PromotionNotFound: There is no such promotion, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.comments.write("fraud/scorer", "Recall is lower, @risk", version=12).id
            3
        """
        wanted = wire.WriteComment(body=body, version=version, promotion=promotion)
        return self._post(self._model(model, "comments"), wire.Comment, wanted)

    def edit(self, model: str, comment: int, body: str, *, seen_revision: int | None = None) -> wire.Comment:
        """Change the text of a comment; earlier texts stay in its history.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            comment: Number of the comment.
            body: The new text in Markdown.
            seen_revision: Change the comment only while it has this revision; None: in any case.

        Returns:
            The comment as it is now.

        Raises:
            EditConflict: Someone else changed it in the meantime.
            CommentNotFound: There is no such comment.
            Denied: Your role does not allow this.

        Example:
            >>> client.comments.edit("fraud/scorer", 3, "Recall is lower on new cards").revision
            2
        """
        return self._call(
            "PATCH",
            self._model(model, "comments", comment),
            body=wire.EditComment(body=body),
            returns=wire.Comment,
            headers=if_match(seen_revision),
        )

    def delete(self, model: str, comment: int) -> None:
        """Delete the text of a comment; the record of the comment stays.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            comment: Number of the comment.

        Raises:
            CommentNotFound: There is no such comment.
            Denied: Your role does not allow this.

        Example:
            >>> client.comments.delete("fraud/scorer", 3)
        """
        self._call("DELETE", self._model(model, "comments", comment))

    def history(self, model: str, comment: int) -> builtins.list[wire.CommentRevision]:
        """Return all texts that a comment has had, oldest first.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.
            comment: Number of the comment.

        Returns:
            The texts, each with its revision and time.

        Raises:
            CommentNotFound: There is no such comment.

        Example:
            >>> [text.body for text in client.comments.history("fraud/scorer", 3)]
            ['Recall is lower, @risk', 'Recall is lower on new cards']
        """
        return self._get(self._model(model, "comments", comment, "history"), wire.CommentHistory).items


class Inbox(Feature):
    """`client.inbox`: models that you watch, and your notifications."""

    def watch(self, model: str) -> None:
        """Watch a model, and be notified of changes to it.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.inbox.watch("fraud/scorer")
        """
        self._call("PUT", self._model(model, "watch"))

    def unwatch(self, model: str) -> None:
        """Stop watching a model.

        Args:
            model: Name of the model; the namespace may be omitted if your account has a default one.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> client.inbox.unwatch("fraud/scorer")
        """
        self._call("DELETE", self._model(model, "watch"))

    def watched(self) -> list[str]:
        """Return the names of the models that you watch.

        Returns:
            The names.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> client.inbox.watched()
            ['fraud/scorer']
        """
        return self._get(at("watches"), wire.WatchList).items

    def needs(self, *, limit: int = 50) -> builtins.list[Need]:
        """Return what waits for you: votes, unmet gates, quarantined versions, deployments, schedules, models with gaps.

        Args:
            limit: Return at most this many, at most 100.

        Returns:
            The needs, the most urgent kind first.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [need.words for need in client.inbox.needs()]
            ['fraud/scorer v24 to production waits for you']
        """
        return self._get(at("needs"), NeedList, NeedQuery(limit=limit)).items

    def notifications(self, *, unread: bool = False, limit: int | None = None) -> Iterator[wire.Notification]:
        """Return your notifications, newest first.

        Args:
            unread: Return only unread ones.
            limit: Return at most this many; None: all.

        Returns:
            One notification at a time.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> [note.reason for note in client.inbox.notifications(unread=True)]
            ['mention']
        """
        query = wire.NotificationQuery(unread=unread)
        return self._items(at("notifications"), query, wire.NotificationPage, limit)

    def mark_read(self, up_to: int | None = None) -> int:
        """Mark notifications as read.

        Args:
            up_to: Number of the last notification to mark; None: all.

        Returns:
            How many of them were unread.

        Raises:
            NotSignedIn: There is no token.

        Example:
            >>> client.inbox.mark_read()
            4
        """
        body = wire.MarkRead(up_to=up_to)
        return self._post(at("notifications", "read"), wire.MarkedRead, body).count
