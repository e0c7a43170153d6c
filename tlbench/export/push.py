"""Uploads an exported model to the hub."""

from pathlib import Path

from huggingface_hub import HfApi

from tlbench.errors import UserError, first_line


def push(folder: Path, repo: str, private: bool) -> str:
    """Upload a folder to a repository of models, which is made if it is not there.

    Args:
        folder: of an exported model.
        repo: ``owner/name``.
        private: whether a new repository is seen by its owner only.

    Returns:
        The address of the commit.

    Raises:
        UserError: if the hub can't be reached or refuses it.
    """
    hub = HfApi()
    try:
        hub.create_repo(repo, private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="Exported by tlbench"
        )
    except Exception as error:  # the hub's, the network's, or of a name that it can't have
        raise UserError(
            f"Change --push, or log in (hf auth login): {repo} can't be written "
            f"({first_line(error)}); the model is in {folder}."
        ) from error
    return str(commit.commit_url)
