"""Folders as people's studies have them: which labels belong to which image."""

import random
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from napari_segkit.io.folders import pair_files, training_files
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.name_pairs import EVALUATION, REFINEMENT, TRAINING, pair_names
from napari_segkit.io.name_words import split_labels


@dataclass(frozen=True)
class Layout:
    """Files of a study, what is given, the pairs, and part of the note about the others."""

    files: str
    given: tuple[str, ...]
    pairs: str
    note: str = ""


LAYOUTS = {
    "equal names": Layout(
        "img/a.png img/b.png mask/a.tif mask/b.tif",
        ("img", "mask"),
        "img/a.png=mask/a.tif img/b.png=mask/b.tif",
    ),
    "words on both sides": Layout(
        "img/a_img.png img/b_img.png lab/a_label.png lab/b_label.png",
        ("img", "lab"),
        "img/a_img.png=lab/a_label.png img/b_img.png=lab/b_label.png",
    ),
    "word before a number": Layout(
        "img/img001.png img/img002.png lab/mask001.png lab/mask002.png",
        ("img", "lab"),
        "img/img001.png=lab/mask001.png img/img002.png=lab/mask002.png",
    ),
    "labels named after the whole image": Layout(
        "img/img_1.png img/img_2.png lab/img_1_mask.png lab/img_2_mask.png",
        ("img", "lab"),
        "img/img_1.png=lab/img_1_mask.png img/img_2.png=lab/img_2_mask.png",
    ),
    "LiTS": Layout(
        "s/volume-0.nii s/segmentation-0.nii s/volume-1.nii s/segmentation-1.nii",
        ("s",),
        "s/volume-0.nii=s/segmentation-0.nii s/volume-1.nii=s/segmentation-1.nii",
    ),
    "one folder": Layout(
        "s/c0_img.png s/c0_masks.png s/c1_img.png s/c1_masks.png",
        ("s",),
        "s/c0_img.png=s/c0_masks.png s/c1_img.png=s/c1_masks.png",
    ),
    "one folder with both in sub-folders": Layout(
        "s/images/a.png s/images/b.png s/masks/a.png s/masks/b.png",
        ("s",),
        "s/images/a.png=s/masks/a.png s/images/b.png=s/masks/b.png",
    ),
    "mirror trees": Layout(
        "study/sub1/img.png study/sub2/img.png labels/sub1/img.png labels/sub2/img.png",
        ("study", "labels"),
        "study/sub1/img.png=labels/sub1/img.png study/sub2/img.png=labels/sub2/img.png",
    ),
    "mirror trees with words": Layout(
        "s/train/images/a.png s/val/images/a.png s/train/labels/a.png s/val/labels/a.png",
        ("s",),
        "s/train/images/a.png=s/train/labels/a.png s/val/images/a.png=s/val/labels/a.png",
        r"1 of 2 pairs lie in folders of validation data, and are not trained on but score",
    ),
    "pairs of test data": Layout(
        "d/imagesTr/a.nii d/labelsTr/a.nii d/imagesTs/b.nii d/labelsTs/b.nii",
        ("d",),
        "d/imagesTr/a.nii=d/labelsTr/a.nii d/imagesTs/b.nii=d/labelsTs/b.nii",
        r"1 of 2 pairs lie in folders of test data, and are left out: imagesTs/b\.nii\.",
    ),
    "YOLO": Layout(
        "s/images/train/a.png s/images/val/a.png s/labels/train/a.png s/labels/val/a.png",
        ("s",),
        "s/images/train/a.png=s/labels/train/a.png s/images/val/a.png=s/labels/val/a.png",
        r"1 of 2 pairs lie in folders of validation data, and are not trained on but score",
    ),
    "words in the names of folders": Layout(
        "s/train_images/a.png s/test_images/a.png s/train_masks/a.png s/test_masks/a.png",
        ("s",),
        "s/test_images/a.png=s/test_masks/a.png s/train_images/a.png=s/train_masks/a.png",
        r"1 of 2 pairs lie in folders of test data, and are left out: test_images/a\.png\.",
    ),
    "labels in a folder of the images": Layout(
        "s/a.png s/b.png s/masks/a.png s/masks/b.png",
        ("s", "s/masks"),
        "s/a.png=s/masks/a.png s/b.png=s/masks/b.png",
    ),
    "labels without sub-folders": Layout(
        "img/sub1/a.png img/sub2/b.png lab/a.png lab/b_mask.png",
        ("img", "lab"),
        "img/sub1/a.png=lab/a.png img/sub2/b.png=lab/b_mask.png",
    ),
    "a folder of each subject, names are words": Layout(
        "s/sub-01/image.nii.gz s/sub-01/label.nii.gz s/sub-02/image.nii.gz s/sub-02/label.nii.gz",
        ("s",),
        "s/sub-01/image.nii.gz=s/sub-01/label.nii.gz s/sub-02/image.nii.gz=s/sub-02/label.nii.gz",
    ),
    "a folder of each subject, labels named after an image": Layout(
        "s/01/t1.nii s/01/t1_seg.nii s/01/t2.nii s/02/t1.nii s/02/t1_seg.nii s/02/t2.nii",
        ("s",),
        "s/01/t1.nii=s/01/t1_seg.nii s/02/t1.nii=s/02/t1_seg.nii",
        r"2 files without a partner in .*: 01/t2\.nii, 02/t2\.nii",
    ),
    "a folder of each subject, one image and seg": Layout(
        "s/01/flair.nii s/01/seg.nii s/02/flair.nii s/02/seg.nii",
        ("s",),
        "s/01/flair.nii=s/01/seg.nii s/02/flair.nii=s/02/seg.nii",
    ),
    "a folder of each subject, chosen by patterns": Layout(
        "s/01/t1.nii s/01/t2.nii s/01/wm.nii s/02/t1.nii s/02/t2.nii s/02/wm.nii",
        ("s/*/t2.nii", "s/*/wm.nii"),
        "s/01/t2.nii=s/01/wm.nii s/02/t2.nii=s/02/wm.nii",
    ),
    "BraTS, chosen by patterns": Layout(
        "d/B_1/B_1_flair.nii d/B_1/B_1_t1.nii d/B_1/B_1_seg.nii "
        "d/B_2/B_2_flair.nii d/B_2/B_2_t1.nii d/B_2/B_2_seg.nii",
        ("d/*/*_t1.nii", "d/*/*_seg.nii"),
        "d/B_1/B_1_t1.nii=d/B_1/B_1_seg.nii d/B_2/B_2_t1.nii=d/B_2/B_2_seg.nii",
    ),
    "ACDC": Layout(
        "d/p1/p1_frame01.nii d/p1/p1_frame01_gt.nii d/p1/p1_frame12.nii d/p1/p1_frame12_gt.nii",
        ("d",),
        "d/p1/p1_frame01.nii=d/p1/p1_frame01_gt.nii d/p1/p1_frame12.nii=d/p1/p1_frame12_gt.nii",
    ),
    "Cityscapes": Layout(
        "leftImg8bit/train/bonn/b_000000_000019_leftImg8bit.png "
        "gtFine/train/bonn/b_000000_000019_gtFine_labelIds.png",
        ("leftImg8bit", "gtFine"),
        "leftImg8bit/train/bonn/b_000000_000019_leftImg8bit.png="
        "gtFine/train/bonn/b_000000_000019_gtFine_labelIds.png",
    ),
    "Cellpose": Layout(
        "s/a.tif s/a_cp_masks.tif s/b.tif s/b_cp_masks.tif",
        ("s",),
        "s/a.tif=s/a_cp_masks.tif s/b.tif=s/b_cp_masks.tif",
    ),
    "BIDS": Layout(
        "b/sub-1/anat/sub-1_T1w.nii.gz b/sub-1/anat/sub-1_T1w.json b/sub-2/anat/sub-2_T1w.nii.gz "
        "b/sub-2/func/sub-2_task-rest_bold.nii.gz b/participants.tsv b/README "
        "b/derivatives/man/sub-1/anat/sub-1_space-orig_dseg.nii.gz "
        "b/derivatives/man/sub-2/anat/sub-2_desc-brain_mask.nii.gz "
        "b/derivatives/prep/sub-2/anat/sub-2_desc-preproc_T1w.nii.gz",
        ("b",),
        "b/sub-1/anat/sub-1_T1w.nii.gz=b/derivatives/man/sub-1/anat/sub-1_space-orig_dseg.nii.gz "
        "b/sub-2/anat/sub-2_T1w.nii.gz=b/derivatives/man/sub-2/anat/sub-2_desc-brain_mask.nii.gz",
        r"1 file without a partner .*bold",
    ),
    "BIDS with sessions, two folders": Layout(
        "raw/sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz raw/sub-1/ses-b/anat/sub-1_ses-b_T1w.nii.gz "
        "der/sub-1/ses-a/anat/sub-1_ses-a_label-L_mask.nii.gz "
        "der/sub-1/ses-b/anat/sub-1_ses-b_label-L_mask.nii.gz",
        ("raw", "der"),
        "raw/sub-1/ses-a/anat/sub-1_ses-a_T1w.nii.gz="
        "der/sub-1/ses-a/anat/sub-1_ses-a_label-L_mask.nii.gz "
        "raw/sub-1/ses-b/anat/sub-1_ses-b_T1w.nii.gz="
        "der/sub-1/ses-b/anat/sub-1_ses-b_label-L_mask.nii.gz",
    ),
    "BIDS, a modality chosen by a pattern": Layout(
        "b/sub-1/anat/sub-1_T1w.nii.gz b/sub-1/anat/sub-1_T2w.nii.gz "
        "b/derivatives/m/sub-1/anat/sub-1_dseg.nii.gz",
        ("b/sub-*/**/*_T2w.nii.gz", "b/derivatives/**/*_dseg.nii.gz"),
        "b/sub-1/anat/sub-1_T2w.nii.gz=b/derivatives/m/sub-1/anat/sub-1_dseg.nii.gz",
    ),
    "nnU-Net, one channel": Layout(
        "d/imagesTr/x_0000.nii.gz d/imagesTr/y_0000.nii.gz d/labelsTr/x.nii.gz d/labelsTr/y.nii.gz",
        ("d/imagesTr", "d/labelsTr"),
        "d/imagesTr/x_0000.nii.gz=d/labelsTr/x.nii.gz d/imagesTr/y_0000.nii.gz=d/labelsTr/y.nii.gz",
    ),
    "nnU-Net, two channels": Layout(
        "d/imagesTr/x_0000.nii.gz d/imagesTr/x_0001.nii.gz d/imagesTr/y_0000.nii.gz "
        "d/imagesTr/y_0001.nii.gz d/labelsTr/x.nii.gz d/labelsTr/y.nii.gz",
        ("d/imagesTr", "d/labelsTr"),
        "d/imagesTr/x_0000.nii.gz+d/imagesTr/x_0001.nii.gz=d/labelsTr/x.nii.gz "
        "d/imagesTr/y_0000.nii.gz+d/imagesTr/y_0001.nii.gz=d/labelsTr/y.nii.gz",
        r"Each image has 2 channels, one in each file: x_0000\.nii\.gz, x_0001\.nii\.gz",
    ),
    "nnU-Net, the folder of the dataset": Layout(
        "d/dataset.json d/imagesTr/x_0000.nii d/labelsTr/x.nii d/imagesTs/z_0000.nii",
        ("d",),
        "d/imagesTr/x_0000.nii=d/labelsTr/x.nii",
        r"1 file without a partner in .*: imagesTs/z_0000\.nii",
    ),
    "frames numbered with four digits are no channels": Layout(
        "i/f_0000.png i/f_0001.png m/f_0000.png m/f_0001.png",
        ("i", "m"),
        "i/f_0000.png=m/f_0000.png i/f_0001.png=m/f_0001.png",
    ),
    "Cell Tracking Challenge": Layout(
        "01/t000.tif 01/t001.tif 01_GT/SEG/man_seg000.tif 01_GT/SEG/man_seg001.tif",
        ("01", "01_GT/SEG"),
        "01/t000.tif=01_GT/SEG/man_seg000.tif 01/t001.tif=01_GT/SEG/man_seg001.tif",
    ),
    "Data Science Bowl 2018": Layout(
        "s/ab1/images/ab1.png s/ab1/masks/c0.png s/ab1/masks/d1.png "
        "s/ef2/images/ef2.png s/ef2/masks/f9.png",
        ("s",),
        "s/ab1/images/ab1.png=s/ab1/masks/c0.png+s/ab1/masks/d1.png "
        "s/ef2/images/ef2.png=s/ef2/masks/f9.png",
        r"Each mask in .* is taken as one object",
    ),
    "a folder of masks for each image": Layout(
        "i/a.png i/b.png m/a/1.png m/a/2.png m/b/1.png m/b/2.png",
        ("i", "m"),
        "i/a.png=m/a/1.png+m/a/2.png i/b.png=m/b/1.png+m/b/2.png",
        r"Each mask in .* is taken as one object",
    ),
    "files left over in folders with pairs do not pair": Layout(
        "i/1/a.png i/1/b.png i/2/a.png i/2/b.png l/1/a.png l/1/view.png l/2/a.png l/2/view.png",
        ("i", "l"),
        "i/1/a.png=l/1/a.png i/2/a.png=l/2/a.png",
        r"4 files without a partner",
    ),
    "masks left over in folders with pairs are no objects": Layout(
        "s/1/images/a.png s/1/images/d.png s/1/masks/a.png s/1/masks/b.png s/1/masks/c.png",
        ("s",),
        "s/1/images/a.png=s/1/masks/a.png",
        r"3 files without a partner",
    ),
    "labels of missing images are no objects of another": Layout(
        "s/1/v0.png s/1/gt/v0.png s/2/v2.png s/2/gt/v0.png s/2/gt/v1.png",
        ("s",),
        "s/1/v0.png=s/1/gt/v0.png",
        r"3 files without a partner",
    ),
    "QuPath": Layout(
        "s/a_x0_y0.tif s/a_x0_y0-labelled.tif s/a_x0_y9.tif s/a_x0_y9-labelled.tif",
        ("s",),
        "s/a_x0_y0.tif=s/a_x0_y0-labelled.tif s/a_x0_y9.tif=s/a_x0_y9-labelled.tif",
    ),
    "3D Slicer": Layout(
        "s/1/CT.nrrd s/1/Segmentation.seg.nrrd s/2/CT.nrrd s/2/Segmentation.seg.nrrd",
        ("s",),
        "s/1/CT.nrrd=s/1/Segmentation.seg.nrrd s/2/CT.nrrd=s/2/Segmentation.seg.nrrd",
    ),
    "BIDS, masks in the space of a template and in that of the image": Layout(
        "b/sub-1/anat/sub-1_T1w.nii.gz b/derivatives/p/sub-1_desc-brain_mask.nii.gz "
        "b/derivatives/p/sub-1_space-MNI152_desc-brain_mask.nii.gz",
        ("b",),
        "b/sub-1/anat/sub-1_T1w.nii.gz=b/derivatives/p/sub-1_desc-brain_mask.nii.gz",
        r"1 file without a partner .*space-MNI152",
    ),
    "BIDS, labels named after one modality": Layout(
        "b/sub-1/sub-1_T1w.nii b/sub-1/sub-1_T2w.nii b/sub-1/sub-1_T1w_mask.nii "
        "b/derivatives/sub-1_dseg.nii",
        ("b",),
        "b/sub-1/sub-1_T1w.nii=b/sub-1/sub-1_T1w_mask.nii",
        r"2 files without a partner .*sub-1_dseg\.nii, .*sub-1_T2w\.nii",
    ),
    "patterns": Layout(
        "i/a.png i/b.png i/a.tif m/a_mask.png m/b_mask.png m/x_old.png",
        ("i/*.png", "m/*_mask.png"),
        "i/a.png=m/a_mask.png i/b.png=m/b_mask.png",
    ),
    "a pattern of images that also matches their labels": Layout(
        "s/a.png s/a_seg.png s/b.png s/b_seg.png",
        ("s/*.png", "s/*_seg.png"),
        "s/a.png=s/a_seg.png s/b.png=s/b_seg.png",
    ),
    "a list": Layout(
        "d/i/a.png d/m/b.png",
        ("d/list.csv",),
        "d/i/a.png=d/m/b.png",
    ),
}


def make(folder, files):
    for name in files.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names_of(pairs, folder):
    return [
        "=".join("+".join(p.relative_to(folder).as_posix() for p in f.paths) for f in pair)
        for pair in pairs
    ]


def find(layout, folder):
    make(folder, layout.files)
    if "d/list.csv" in layout.given:
        (folder / "d/list.csv").write_text("image;label\ni\\a.png;m/b.png\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        files = training_files(*(folder / given for given in layout.given))
    return [(f.image, f.labels) for f in files], " ".join(str(w.message) for w in caught)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_a_study_is_understood(name, tmp_path):
    layout = LAYOUTS[name]
    pairs, notes = find(layout, tmp_path)
    assert names_of(pairs, tmp_path) == layout.pairs.split()
    if layout.note:
        with pytest.warns(UserWarning, match=layout.note):
            warnings.warn(notes, UserWarning, stacklevel=1)
    else:
        assert notes == ""


REFUSED = {
    "several modalities": (
        "s/01/t1.nii s/01/t2.nii s/01/seg.nii",
        ("s",),
        r'01/t1\.nii, 01/t2\.nii, 01/seg\.nii .* not clear.* patterns .*"folder/\*\*/\*t1\.nii"',
    ),
    "several modalities of BraTS": (
        "d/B-1/B-1-flair.nii d/B-1/B-1-t1.nii d/B-1/B-1-seg.nii",
        ("d",),
        r'B-1-flair\.nii, .*B-1-seg\.nii .* patterns .*"folder/\*\*/\*flair\.nii"',
    ),
    "several modalities of BIDS": (
        "b/sub-1/anat/sub-1_T1w.nii b/sub-1/anat/sub-1_T2w.nii b/derivatives/sub-1/sub-1_dseg.nii",
        ("b",),
        r'sub-1_T1w\.nii, .*sub-1_T2w\.nii, .*_dseg\.nii .* patterns .*"folder/\*\*/\*T1w\.nii"',
    ),
    "several labels of BIDS": (
        "b/sub-1/anat/sub-1_T1w.nii b/derivatives/sub-1/sub-1_label-L_mask.nii "
        "b/derivatives/sub-1/sub-1_label-R_mask.nii",
        ("b",),
        r"label-L_mask\.nii, .*label-R_mask\.nii .* not clear",
    ),
    "a missing channel": (
        "i/x_0000.nii i/x_0001.nii i/y_0001.nii l/x.nii l/y.nii",
        ("i", "l"),
        r"i has no y_0000\.nii, but images have 2 channels, .*add it",
    ),
    "a missing first channel": ("i/x_0001.nii l/x.nii", ("i", "l"), r"has no x_0000\.nii"),
    "a pattern without files": (
        "i/a.png l/a.png",
        ("i/*.tif", "l"),
        r"no file that matches the pattern .*i/\*\.tif",
    ),
    "one pattern twice": ("i/a.png", ("i/*.png", "i/*.png"), "given as image and as labels"),
    "a file and a pattern": (
        "i/a.png l/a.png",
        ("i/a.png", "l/*.png"),
        "two files, or two folders or patterns",
    ),
    "files of other names in one folder of each side": (
        "i/a.png l/b.png",
        ("i", "l"),
        r"2 files .* no partner, and none of them have one: .*a\.png, .*b\.png",
    ),
    "labels of a subject without images": (
        "i/s1/x.png i/s2/x.png l/s3/x.png",
        ("i", "l"),
        "3 files .* no partner",
    ),
    "slices of other numbers in the folders of subjects": (
        "i/p1/slice_003.png i/p2/slice_003.png l/p1/slice_007.png l/p2/slice_007.png",
        ("i", "l"),
        "have no partner, and none of them have one",
    ),
    "masks of other slices instead of objects": (
        "s/1/images/slice_2.png s/1/masks/slice_1.png s/1/masks/slice_3.png",
        ("s",),
        "no two of its files have names such as",
    ),
    "a name in several sub-folders of one side": (
        "i/p1/a.png i/p2/a.png i/p2/b.png i/p2/c.png l/a.png l/b.png l/c.png",
        ("i", "l"),
        r'p1/a\.png, p2/a\.png, l/a\.png .* not clear .*such as "l/\*\.png"',
    ),
    "labels that may be a copy of the image": (
        "i/a.tif s/a.tif s/a_cp_masks.png",
        ("i", "s"),
        r'i/a\.tif, s/a\.tif, s/a_cp_masks\.png .* not clear .*"folder/\*\*/\*masks\.png"',
    ),
    "labels and a prediction of the same image": (
        "s/1_img.tif s/1_masks.tif s/1_img_cp_masks.tif s/2_img.tif s/2_masks.tif",
        ("s",),
        r"1_img\.tif, s/1_img_cp_masks\.tif, s/1_masks\.tif .* not clear",
    ),
    "swapped folders of equal names": (
        "labelsTr/a.nii imagesTr/a.nii",
        ("labelsTr", "imagesTr"),
        r"labelsTr is given as image and .*imagesTr as labels: give them the other way round",
    ),
    "swapped patterns": (
        "s/1/image.png s/1/label.png s/2/image.png s/2/label.png",
        ("s/*/label.png", "s/*/image.png"),
        r"label\.png is given as image and .*image\.png as labels",
    ),
    "labels in the space of a template": (
        "b/sub-1/anat/sub-1_T1w.nii b/derivatives/sub-1_space-MNI152_desc-brain_mask.nii",
        ("b",),
        "no two of its files have names such as",
    ),
    "names that differ only in their ending": (
        "i/a.png i/a.tif l/a.png",
        ("i", "l"),
        r"a\.png and a\.tif: .*pattern in quotes, such as .*i/\*\.png",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_asked_in_one_sentence(name, tmp_path):
    files, given, sentence = REFUSED[name]
    make(tmp_path, files)
    with pytest.raises(ValueError, match=sentence):
        training_files(*(tmp_path / path for path in given))


def test_results_in_sub_folders_are_evaluated_against_flat_truth(tmp_path):
    make(
        tmp_path, "out/s1/a_pred.tif out/s2/b_pred.tif out/probabilities/a.tif gt/a_gt.png gt/b.png"
    )
    pairs = pair_files(tmp_path / "out", tmp_path / "gt", EVALUATION)
    expected = ["out/s1/a_pred.tif=gt/a_gt.png", "out/s2/b_pred.tif=gt/b.png"]
    assert names_of(pairs, tmp_path) == expected


def test_channels_are_no_predictions_of_one_image(tmp_path):
    make(tmp_path, "out/x_0000.tif out/x_0001.tif gt/x.tif")
    with pytest.raises(ValueError, match=r"3 files .* no partner"):
        pair_files(tmp_path / "out", tmp_path / "gt", EVALUATION)


def test_probabilities_belong_to_all_channels_of_their_image(tmp_path):
    make(tmp_path, "p/x.tif i/x_0000.tif i/x_0001.tif")
    with pytest.warns(UserWarning, match="Each image has 2 channels"):
        pairs = pair_files(tmp_path / "p", tmp_path / "i", REFINEMENT)
    assert names_of(pairs, tmp_path) == ["p/x.tif=i/x_0000.tif+i/x_0001.tif"]


def test_probabilities_in_sub_folders_belong_to_their_images(tmp_path):
    make(tmp_path, "o/s1/probabilities/a.tif o/s2/probabilities/a.tif i/s1/a.png i/s2/a.png")
    pairs = pair_files(tmp_path / "o/**/probabilities/*.tif", tmp_path / "i", REFINEMENT)
    expected = [f"o/{s}/probabilities/a.tif=i/{s}/a.png" for s in ("s1", "s2")]
    assert names_of(pairs, tmp_path) == expected


def test_hidden_files_and_loops_of_links_are_not_entered(tmp_path):
    make(tmp_path, "i/a.png i/.cache/b.png i/__MACOSX/c.png l/a.png")
    (tmp_path / "i/loop").symlink_to(tmp_path / "i")
    assert len(pair_files(tmp_path / "i", tmp_path / "l")) == 1


def test_a_name_with_signs_of_a_pattern_is_a_file(tmp_path):
    make(tmp_path, "i[1]/a.png l/a.png")
    assert len(pair_files(tmp_path / "i[1]", tmp_path / "l")) == 1
    assert len(pair_files(tmp_path / "i[1]/*.png", tmp_path / "l")) == 1


def test_relative_patterns_start_from_here(tmp_path, monkeypatch):
    make(tmp_path, "a.png a_mask.png")
    monkeypatch.chdir(tmp_path)
    pairs = pair_files("*.png", "*_mask.png")
    assert [f.path for f in pairs[0]] == [Path("a.png"), Path("a_mask.png")]


STUDIES = [  # image and labels of an item of a subject
    ("images/{s}/{k}.png", "labels/{s}/{k}.png"),
    ("{s}/images/{k}.png", "{s}/masks/{k}.png"),
    ("{s}/{k}.png", "{s}/{k}_mask.png"),
    ("{s}/{k}_img.png", "{s}/{k}_seg.png"),
    ("{s}/img{k}.png", "{s}/mask{k}.png"),
    ("{s}/scan{k}.png", "{s}/gt/scan{k}.png"),
    ("{s}/image.png", "{s}/label.png"),
    ("{s}/{s}_t1.nii", "{s}/{s}_seg.nii"),
    ("images/{s}_{k}.png", "masks/{s}_{k}_mask.png"),
    ("imagesTr/{s}_{k}_0000.nii", "labelsTr/{s}_{k}.nii"),
    ("sub-{s}/anat/sub-{s}_T1w.nii", "derivatives/m/sub-{s}/anat/sub-{s}_dseg.nii"),
    ("sub-{s}/ses-{k}/sub-{s}_ses-{k}_T1w.nii", "derivatives/sub-{s}_ses-{k}_label-x_mask.nii"),
]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study[0])
def test_no_wrong_pair_is_found_where_files_are_missing(study):
    """Of any subset of a study's files, in one tree or two, pairs are right and few are missed."""
    rng, found, possible = random.Random(0), 0, 0
    for trial in range(60):
        subjects, items = rng.sample(["p1", "p2", "01", "case7"], 3), ["001", "002", "13"]
        partner = {
            study[0].format(s=s, k=k): study[1].format(s=s, k=k) for s in subjects for k in items
        }
        images, labels = (
            [as_files(name) for name in sorted(names) if rng.random() < 0.8]
            for names in (partner.keys(), set(partner.values()))
        )
        if trial % 2:
            images, labels = split_labels([*images, *labels])
        pairs, _ = pair_names(images, labels, TRAINING)
        assert all(partner[str(a.path)] == str(b.path) for a, b in pairs)
        found += len(pairs)
        kept = {str(files.path) for files in (*images, *labels)}
        possible += sum({name, other} <= kept for name, other in partner.items())
    assert found == possible


def as_files(name):
    folder = Path(name).parent.as_posix()
    return ImageFiles((Path(name),), "" if folder == "." else folder)
